/** What the driver's README says is done as it stands there. */
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { sourceSchema } from '../../src/config/schema.ts'
import { CHOICES } from '../../src/drivers/temporal/recreate.ts'
import { run } from '../../src/process/run.ts'
import { openTemporalBench, type TemporalBench } from '../support/temporal.ts'

const readme = await readFile('src/drivers/temporal/README.md', 'utf8')
const block = (language: string) => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readme)?.[1] ?? ''

describe('the README of temporal', () => {
  let bench: TemporalBench
  let dir: string
  beforeAll(async () => {
    bench = await openTemporalBench()
    dir = await mkdtemp(join(tmpdir(), 'holdfast-temporal-readme-'))
  }, 120_000)
  afterAll(async () => {
    await bench?.close()
    if (dir) await rm(dir, { recursive: true, force: true })
  })

  it('shows a configuration that holds', () => {
    const { sources } = parse(block('yaml')) as { sources: Record<string, unknown> }
    expect(sourceSchema.parse(sources['workflows'])).toMatchObject({ driver: 'temporal', namespace: 'shop', settle: '1m' })
  })

  it('names every part that a restore can be asked for', () => {
    for (const choice of CHOICES) expect(readme).toContain(`\`${choice}\``)
  })

  it('shows an event of a history with nothing but age, zstd, node and the published messages', async () => {
    const manifest = await bench.take()
    for (const part of ['closed/000001.histories', 'closed/000001.index.ndjson']) {
      const key = manifest.artifacts.find((artifact) => artifact.part === part)?.key ?? ''
      const chunks: Buffer[] = []
      for await (const chunk of await bench.repository.store.get(key)) chunks.push(Buffer.from(chunk as Buffer))
      await writeFile(join(dir, `${part.slice('closed/'.length)}.zst.age`), Buffer.concat(chunks))
    }
    await writeFile(join(dir, 'identity.txt'), await readFile(bench.repository.identity.file))
    await writeFile(join(dir, 'show.mjs'), block('js'))
    await symlink(resolve('node_modules'), join(dir, 'node_modules'))
    const unpack = block('sh').replace(/^node .*$/m, '')
    const { stdout } = await run({ program: 'sh', args: ['-e', '-c', unpack], cwd: dir })
    const found = /^\s*(\d+)\s+(\{.*"workflowId":"order-7".*)$/m.exec(stdout)
    const line = JSON.parse(found?.[2] ?? '{}') as { events: number; runId: string }
    const shown = await run({ program: process.execPath, args: ['show.mjs', 'bundle', found?.[1] ?? ''], cwd: dir })
    const events = shown.stdout.trimEnd().split('\n')
    expect(events).toHaveLength(line.events)
    expect(events[0]).toContain(line.runId)
    expect(events.at(-1)).toContain('EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED')
  })
})
