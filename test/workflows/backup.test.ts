import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunView } from '../../src/contract/messages.ts'
import { viewQuery } from '../../src/contract/messages.ts'
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes.ts'
import { createGate, endOf, POINT, refused, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

let count = 0
const start = (input: object): Promise<WorkflowHandle> =>
  stage.client.workflow.start('backup', { taskQueue: 'holdfast', workflowId: `backup-${++count}`, args: [{ source: 'orders', ...input }] })
const outcomeOf = async (run: WorkflowHandle) => (await run.describe()).typedSearchAttributes.get(SEARCH_ATTRIBUTES.outcome)
const steps = () => stage.ran.filter((name) => !['acquireLock', 'isRunOpen', 'resolveSource'].includes(name))

test('a point is published last, after the store was asked what it has; evidence ends the run', async () => {
  await stage.play(sourceFakes(), async () => {
    const run = await start({})
    expect(await run.result()).toMatchObject({
      outcome: 'success',
      source: 'orders',
      id: POINT,
      driver: 'postgres-logical',
      kind: 'manual',
      sizeBytes: 1000,
      storedBytes: 400,
      warnings: [],
    })
    expect(steps()).toEqual(['reserveId', 'preflight', 'dump', 'checksum', 'publish', 'planRetention', 'writeEvidence'])
    expect(await outcomeOf(run)).toBe('success')
  })
})

test('a repository that fills up degrades the backup; beyond its cap nothing is captured', async () => {
  const asked: unknown[] = []
  const crowded = async (input: unknown) => {
    asked.push(input)
    return { estimateBytes: 1000, warnings: [], crowded: 'the repository hot holds 85GB' }
  }
  await stage.play(sourceFakes({ preflight: crowded }), async () => {
    const run = await start({ kind: 'full' })
    expect(await run.result()).toMatchObject({ outcome: 'degraded', warnings: ['the repository hot holds 85GB'] })
    expect(asked).toEqual([{ source: 'orders', kind: 'full' }])
  })
  const full = async () => {
    throw refused('REPOSITORY_FULL', 'its cap is 100GB')
  }
  await stage.play(sourceFakes({ preflight: full }), async () => {
    const run = await start({})
    expect(await endOf(run.result())).toMatchObject({ code: 'REPOSITORY_FULL' })
    expect(stage.ran).not.toContain('dump')
    expect(stage.ran).not.toContain('planRetention')
  })
})

test('what the operator gave with it goes into the point', async () => {
  const published: unknown[] = []
  await stage.play(sourceFakes({ publish: async (input) => published.push(input) }), async () => {
    const run = await start({ tags: ['before-migration'], description: 'by hand', schemaVersion: '42', kind: 'pre_migration' })
    await run.result()
    expect(published).toMatchObject([
      {
        source: 'orders',
        id: POINT,
        kind: 'pre_migration',
        tags: ['before-migration'],
        description: 'by hand',
        schemaVersion: '42',
        workflowId: run.workflowId,
      },
    ])
  })
})

test.each(['preflight', 'dump', 'checksum', 'publish'])('a %s that fails ends in nothing published and all of it removed', async (name) => {
  const fail = async () => {
    throw refused('INTEGRITY', 'the store has other bytes')
  }
  await stage.play(sourceFakes({ [name]: fail }), async () => {
    const run = await start({})
    expect(await endOf(run.result())).toMatchObject({ code: 'INTEGRITY', object: 'shop', next: 'look' })
    const ran = steps()
    expect(ran.slice(-2)).toEqual(['discard', 'writeEvidence'])
    expect(ran.filter((step) => step === 'publish')).toHaveLength(name === 'publish' ? 1 : 0)
    expect(ran).not.toContain('planRetention')
    expect(await outcomeOf(run)).toBe('failed')
    const view = (await run.query(viewQuery)) as RunView
    expect(view.steps).toContainEqual(expect.objectContaining({ name: 'discard', status: 'undone' }))
  })
})

const staged = (own: Parameters<typeof sourceFakes>[0] = {}) =>
  sourceFakes({ resolveSource: async () => ({ driver: 'redis', staged: true }), ...own })

test('of an engine that leaves a snapshot, it is made, uploaded and removed in steps of their own', async () => {
  const uploaded: unknown[] = []
  const upload = sourceFakes()['upload']
  const fakes = staged({
    upload: async (input) => {
      uploaded.push(input)
      return upload?.(input)
    },
  })
  await stage.play(fakes, async () => {
    expect(await (await start({})).result()).toMatchObject({ outcome: 'success', storedBytes: 400 })
    const own = ['snapshot', 'upload', 'checksum', 'publish', 'removeSnapshot']
    expect(steps()).toEqual(['reserveId', 'preflight', ...own, 'planRetention', 'writeEvidence'])
    expect(uploaded).toEqual([{ source: 'orders', id: POINT, kind: 'manual', snapshot: { name: 'left' } }])
  })
})

test.each(['snapshot', 'upload', 'publish'])('a %s that fails takes away what the engine left', async (name) => {
  const fail = async () => {
    throw refused('INTEGRITY', 'no')
  }
  await stage.play(staged({ [name]: fail }), async () => {
    expect((await endOf((await start({})).result())).code).toBe('INTEGRITY')
    expect(steps().slice(-3)).toEqual(['removeSnapshot', 'discard', 'writeEvidence'])
  })
})

test('what the engine left and cannot be removed degrades the backup, which stands', async () => {
  const fail = async () => {
    throw refused('SOURCE_UNREACHABLE', 'it is away')
  }
  await stage.play(staged({ removeSnapshot: fail }), async () => {
    const left = expect.stringMatching(/was not removed: it is away/)
    expect(await (await start({})).result()).toMatchObject({ outcome: 'degraded', id: POINT, warnings: [left] })
    expect(steps()).not.toContain('discard')
  })
})

test('a try that may succeed later is tried again before the backup is given up', async () => {
  let tries = 0
  const dump = sourceFakes()['dump']
  const flaky = async (input: unknown) => {
    if (++tries < 2) throw new Error('connection reset')
    return dump?.(input)
  }
  await stage.play(sourceFakes({ dump: flaky }), async () => {
    expect(await (await start({})).result()).toMatchObject({ outcome: 'success' })
    expect(tries).toBe(2)
    expect(stage.ran).not.toContain('discard')
  })
})

test('a discard that fails is tried until it is done', async () => {
  let tries = 0
  const fakes = sourceFakes({
    dump: async () => {
      throw refused('PROCESS_FAILED', 'pg_dump exited with 1')
    },
    discard: async () => {
      if (++tries < 3) throw new Error('503')
    },
  })
  await stage.play(fakes, async () => {
    expect((await endOf((await start({})).result())).code).toBe('PROCESS_FAILED')
    expect(tries).toBe(3)
  })
})

test('a cancel in the middle stops the dump first, then removes what it stored, and the run ends as cancelled', async () => {
  const gate = createGate()
  const seen: string[] = []
  const fakes = sourceFakes({
    dump: gate.wait(sourceFakes()['dump'] as never),
    discard: async () => void seen.push(`discard, ${gate.waiting} dumps at work, ${gate.cancelled} stopped`),
  })
  await stage.play(fakes, async () => {
    const run = await start({})
    await gate.reached()
    await run.cancel()
    expect((await endOf(run.result())).code).toBe('CancelledFailure')
    expect((await run.describe()).status.name).toBe('CANCELLED')
    expect(seen).toEqual(['discard, 0 dumps at work, 1 stopped'])
    expect(stage.ran).not.toContain('publish')
    expect(await outcomeOf(run)).toBe('aborted')
  })
})

test('a proof that fails degrades the backup and takes nothing back', async () => {
  const broken = async ({ source, id, depth }: { source: string; id: string; depth: string }) => ({
    ok: false,
    source,
    id,
    depth,
    seconds: 1,
    assertions: 3,
    passed: 2,
    failures: ['orders: expected 3 rows, found 2'],
  })
  await stage.play(sourceFakes({ proveRestore: broken }), async () => {
    const run = await start({ prove: 'full' })
    expect(await run.result()).toMatchObject({
      outcome: 'degraded',
      id: POINT,
      proof: { ok: false, depth: 'full' },
      warnings: [expect.stringContaining('orders: expected 3 rows, found 2')],
    })
    expect(stage.ran).not.toContain('discard')
    expect(await outcomeOf(run)).toBe('degraded')
    const proof = stage.client.workflow.getHandle(`${run.workflowId}/proof`)
    expect((await endOf(proof.result())).code).toBe('VERIFY_FAILED')
  })
})

test('a proof that passes stands in the result', async () => {
  await stage.play(sourceFakes(), async () => {
    expect(await (await start({ prove: 'restore' })).result()).toMatchObject({ outcome: 'success', proof: { ok: true, depth: 'restore' } })
    expect(stage.ran.indexOf('publish')).toBeLessThan(stage.ran.indexOf('proveRestore'))
  })
})

test('warnings of the capture degrade the outcome: an optional part that failed is no success', async () => {
  const dump = async () => ({
    attempt: 1,
    digest: 'd',
    sizeBytes: 1,
    storedBytes: 1,
    fileCount: 1,
    warnings: ['globals: permission denied'],
  })
  await stage.play(sourceFakes({ dump }), async () => {
    expect(await (await start({})).result()).toMatchObject({ outcome: 'degraded', warnings: ['globals: permission denied'] })
  })
})

test('retention that somebody else is at is no warning', async () => {
  const gate = createGate()
  await stage.play(sourceFakes({ proveRestore: gate.wait(sourceFakes()['proveRestore'] as never) }), async () => {
    const proof = await stage.client.workflow.start('verifyRestore', {
      taskQueue: 'holdfast',
      workflowId: 'proof',
      args: [{ source: 'orders' }],
    })
    await gate.reached()
    const run = await start({})
    expect(await run.result()).toMatchObject({ outcome: 'success', warnings: [] })
    expect((await endOf(stage.client.workflow.getHandle(`${run.workflowId}/retention`).result())).code).toBe('BUSY')
    gate.open()
    await proof.result()
  })
})

test('retention that fails degrades the backup, which stays', async () => {
  const planRetention = async () => {
    throw refused('STORE_DENIED', 'no right to list')
  }
  await stage.play(sourceFakes({ planRetention }), async () => {
    expect(await (await start({})).result()).toMatchObject({ outcome: 'degraded', warnings: [expect.stringContaining('no right to list')] })
    expect(stage.ran).not.toContain('discard')
  })
})
