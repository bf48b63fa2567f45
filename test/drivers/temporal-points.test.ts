import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NAMESPACE, workflowsPath } from '../../scripts/sources/temporal.ts'
import { canonicalBytes } from '../../src/catalog/canonical.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { UserAssertion } from '../../src/drivers/driver.ts'
import { History } from '../../src/temporal/messages.ts'
import { readBundle } from '../../src/drivers/temporal/read-bundle.ts'
import { until } from '../../src/process/wait.ts'
import { contextFor, failures, nextRequest, takePoint } from '../conformance/driver.ts'
import { openTemporalBench, type TemporalBench } from '../support/temporal.ts'

let bench: TemporalBench
beforeAll(async () => {
  bench = await openTemporalBench()
}, 120_000)
afterAll(() => bench?.close())

const prove = async (manifest: Manifest, assertions: UserAssertion[] = []) => {
  const dir = join(bench.scratch, 'proof')
  const driver = bench.driver()
  const { target } = await driver.restore(contextFor(), manifest, bench.source, { dir })
  return driver.verify(contextFor(), manifest, target, { depth: 'full', assertions }).finally(() => driver.destroy({ dir }))
}
const order = async (workflowId: string): Promise<void> => {
  const { client } = bench.sample
  await bench.sample.working(() => client.workflow.execute('order', { workflowId, taskQueue: 'shop', args: [1] }))
  const closed = async () => {
    const query = `WorkflowId = "${workflowId}" AND ExecutionStatus = "Completed"`
    return String((await client.workflowService.countWorkflowExecutions({ namespace: NAMESPACE, query })).count) === '1'
  }
  await until(closed, { timeoutMs: 30_000, what: 'the run to be listed' })
}
const own = ({ id, artifacts }: Manifest) => artifacts.filter(({ key }) => key.includes(`/${id}/`)).map(({ part }) => part)
/** Maps of the API come in any order. */
const events = (history: object): string => canonicalBytes(JSON.parse(JSON.stringify(history))).toString('utf8')
const allOf = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
const runIds = (lines: { runId: string }[]) => lines.map(({ runId }) => runId).sort()

describe('a point', { timeout: 120_000 }, () => {
  it('holds every run once, by how it ended; no open one is taken for closed', async () => {
    const manifest = await bench.take(undefined, {}, { histories: 7, bytes: 1_000_000 })
    await bench.restored(manifest, async ({ lines }) => {
      const kinds = Object.groupBy(lines, ({ part, status }) => `${part.startsWith('open/') ? 'open' : 'closed'} ${status}`)
      const counts = Object.fromEntries(Object.entries(kinds).map(([kind, of]) => [kind, of?.length]))
      expect(counts).toEqual({
        'open Running': 4,
        'closed Completed': 21,
        'closed Failed': 3,
        'closed ContinuedAsNew': 3,
        'closed Terminated': 1,
      })
      expect(new Set(runIds(lines)).size).toBe(lines.length)
      expect(Math.max(...Object.values(Object.groupBy(lines, ({ part }) => part)).map((of) => of?.length ?? 0))).toBe(7)
    })
    expect(manifest.inventory?.['open runs']).toMatchObject({ histories: 4, Running: 4 })
    expect(manifest.inventory?.['closed runs']).toMatchObject({ histories: 28, Failed: 3 })
  })

  it('holds each history as the server gives it', async () => {
    const manifest = await bench.take()
    const { client } = bench.sample
    await bench.restored(manifest, async ({ dir, lines }) => {
      for (const { part, workflowId, runId } of lines.filter((line) => /^(refund-1|countdown|anna\/reminder)$/.test(line.workflowId))) {
        const at = lines.filter((line) => line.part === part).findIndex((line) => line.runId === runId)
        const bundle = await allOf(readBundle(join(dir, 'histories', part)))
        const server = await client.workflow.getHandle(workflowId, runId).fetchHistory()
        expect(events(History.decode(bundle[at] ?? Buffer.alloc(0)))).toBe(events(server))
      }
    })
  })

  it('has a run that ends while it is made, and still proves whole', async () => {
    const { client } = bench.sample
    const handle = await client.workflow.start('reminder', { workflowId: 'ends-meanwhile', taskQueue: 'shop', args: ['x'] })
    const listed = () => client.workflow.count('WorkflowId = "ends-meanwhile"')
    await until(async () => (await listed()).count === 1, { timeoutMs: 30_000, what: 'the run to be listed' })
    let ended: Promise<unknown> | undefined
    const context = contextFor(({ phase }) => {
      if (phase === 'open runs') ended ??= handle.terminate('meanwhile')
      return false
    })
    const manifest = await takePoint(bench.driver(), bench.repository, nextRequest(), context)
    await ended
    const found = await bench.restored(manifest, async ({ lines }) => lines.filter(({ runId }) => runId === handle.firstExecutionRunId))
    expect(found.length).toBeGreaterThan(0)
    expect(failures(await prove(manifest))).toEqual([])
  })

  it('is without open or closed runs where the source says so', async () => {
    const manifest = await bench.take(undefined, { histories: { open: false, closed: true } })
    expect(Object.keys(manifest.inventory ?? {})).not.toContain('open runs')
    expect(manifest.artifacts.filter(({ part }) => part.startsWith('open/'))).toEqual([])
    expect(failures(await prove(manifest))).toEqual([])
  })

  it('says in its proof that nothing was replayed, where no assertion names code', async () => {
    const found = (await prove(await bench.take())).find(({ name }) => name === 'replayability')
    expect(found?.actual).toMatch(/by structure only/)
  })
})

describe('an incremental', { timeout: 120_000 }, () => {
  it('takes over the bundles of its base by their keys, and adds what ended since', async () => {
    const full = await bench.take()
    await order('later-1')
    const next = await bench.take(full)
    const closed = full.artifacts.filter(({ part }) => part.startsWith('closed/'))
    expect(closed.length).toBeGreaterThan(0)
    for (const artifact of closed) expect(next.artifacts).toContainEqual(artifact)
    expect(own(next).filter((part) => part.startsWith('closed/'))).toEqual(['closed/000002.histories', 'closed/000002.index.ndjson'])
    expect(next.storedBytes).toBeLessThan(full.storedBytes)
    await order('later-2')
    const last = await bench.take(next)
    const everything = await bench.take()
    const [a, b] = [await bench.restored(last, async ({ lines }) => lines), await bench.restored(everything, async ({ lines }) => lines)]
    expect(runIds(a)).toEqual(runIds(b))
    expect(a.map(({ workflowId }) => workflowId)).toEqual(expect.arrayContaining(['later-1', 'later-2']))
    expect(failures(await prove(last))).toEqual([])
  })

  it('takes again what had ended only just before its base: the list of runs lags behind', async () => {
    const settle = { settle: '1h' }
    const full = await bench.take(undefined, settle)
    expect(full.artifacts.filter(({ part }) => part.startsWith('closed/'))).toEqual([])
    const next = await bench.take(full, settle)
    expect(own(next).sort()).toEqual(next.artifacts.map(({ part }) => part).sort())
    expect(await bench.restored(next, async ({ lines }) => runIds(lines))).toEqual(
      await bench.restored(full, async ({ lines }) => runIds(lines)),
    )
  })

  it('keeps runs that the namespace has forgotten meanwhile', async () => {
    const full = await bench.take()
    const { workflowService } = bench.sample.client
    const gone = async () =>
      String((await workflowService.countWorkflowExecutions({ namespace: NAMESPACE, query: 'WorkflowId = "order-3"' })).count) === '0'
    await workflowService.deleteWorkflowExecution({ namespace: NAMESPACE, workflowExecution: { workflowId: 'order-3' } })
    await until(gone, { timeoutMs: 60_000, what: 'the run to be gone' })
    const holds = (manifest: Manifest) =>
      bench.restored(manifest, async ({ lines }) => lines.some(({ workflowId }) => workflowId === 'order-3'))
    expect(await holds(await bench.take(full))).toBe(true)
    expect(await holds(await bench.take())).toBe(false)
  })
})

describe('replay', { timeout: 120_000 }, () => {
  const code = () => join(bench.scratch, 'code')
  const changed = async (change: (text: string) => string): Promise<string> => {
    await rm(code(), { recursive: true, force: true })
    await mkdir(code())
    await symlink(resolve('node_modules'), join(code(), 'node_modules'))
    await writeFile(join(code(), 'package.json'), '{"type":"module"}')
    const file = join(code(), 'workflows.ts')
    await writeFile(file, change(await readFile(workflowsPath, 'utf8')))
    return file
  }
  const ask = async (manifest: Manifest, path: string, more: object = {}) => {
    const found = await prove(manifest, [{ name: 'replay', replay: { workflowsPath: path, ...more } }])
    return found.find(({ name }) => name === 'replay')
  }

  it('is green with the code that made the histories, of every type', async () => {
    const manifest = await bench.take()
    expect(await ask(manifest, workflowsPath, { sample: 12 })).toMatchObject({ ok: true, expected: expect.stringMatching(/^12 histories/) })
    expect(await ask(manifest, await changed((text) => `${text}\n// a comment\n`), { sample: 5 })).toMatchObject({ ok: true })
  })

  it('is red, with the run and the reason, where the code has become another', async () => {
    const file = await changed((text) =>
      text
        .replace("await sleep('365 days')", "await sleep('1 day'); await condition(() => false, '2 days')")
        .replace('executeChild(reminder', "sleep('1s'); await executeChild(reminder"),
    )
    const found = await ask(await bench.take(), file)
    expect(found).toMatchObject({
      ok: false,
      actual: expect.stringMatching(/subscription subscription-(anna|boris)\/[0-9a-f-]+: .*[Nn]ondetermin/),
    })
  })
})
