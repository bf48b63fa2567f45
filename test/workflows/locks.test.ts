import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type LockView, lockQuery } from '../../src/contract/messages.ts'
import { PRIORITY } from '../../src/contract/vocabulary.ts'
import { until } from '../../src/process/wait.ts'
import { PLAN, pairFakes } from '../support/workflows/pair.ts'
import { createGate, endOf, FINGERPRINT, refused, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Fakes, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

let count = 0
/** Workflow ids are new in each test, and so are sources: what one test leaves running stands in nobody's way. */
const start = (type: string, input: object): Promise<WorkflowHandle> =>
  stage.client.workflow.start(type, { taskQueue: 'holdfast', workflowId: `${type}-${++count}`, args: [input] })
const restoreInput = (source: string) => ({ source, recoveryPoint: 'latest', requestedBy: 'ana' })
const lockOf = async (resource: string): Promise<LockView> => stage.client.workflow.getHandle(`lock/${resource}`).query(lockQuery)
const waitsFor = (resource: string, waiting: string[]) =>
  until(async () => expect.objectContaining({ waiting }).asymmetricMatch(await lockOf(resource)), {
    timeoutMs: 60_000,
    what: `${waiting} before ${resource}`,
  })
const isFree = (resource: string) =>
  until(async () => (await stage.client.workflow.getHandle(`lock/${resource}`).describe()).status.name === 'COMPLETED', {
    timeoutMs: 60_000,
    what: `${resource} free`,
  })
const failoverOf = (source: string, own: Fakes = {}, others: string[] = []): Fakes =>
  pairFakes(
    { source, approvals: { count: 0, withinMs: 1 } },
    {
      describeGroup: async () => ({
        source,
        sources: [source, ...others],
        slot: 'slot',
        primary: 'east',
        sites: { east: 'db1', west: 'db2' },
      }),
      ...own,
    },
  )
const secondsOf = (time?: { seconds?: unknown; nanos?: number | null } | null): number =>
  Number(time?.seconds ?? 0) + (time?.nanos ?? 0) / 1e9
/** How long the holder of a lock was given to let go, by the server's clock, and how long the lock meant to wait for it. */
const graceOf = async (resource: string): Promise<{ given: number; meant: number }> => {
  const { events } = await stage.client.workflow.getHandle(`lock/${resource}`).fetchHistory()
  const all = events ?? []
  const signalled = (from: number, name?: string) =>
    all.findIndex(({ signalExternalWorkflowExecutionInitiatedEventAttributes: signal }, index) =>
      index > from && signal ? name === undefined || signal.signalName === name : false,
    )
  const preempted = signalled(-1, 'preempt')
  const granted = signalled(preempted)
  const timers = all.slice(preempted, granted).map(({ timerStartedEventAttributes: timer }) => secondsOf(timer?.startToFireTimeout))
  return {
    given: secondsOf(all[granted]?.eventTime) - secondsOf(all[preempted]?.eventTime),
    meant: timers.reduce((sum, seconds) => sum + seconds, 0),
  }
}
const failover = (group: string) => start('failover', { group, mode: 'unplanned', reason: 'east is down', requestedBy: 'ana' })

test('a second backup of a source is refused at once, naming the holder and how to go on', async () => {
  const gate = createGate()
  await stage.play(sourceFakes({ dump: gate.wait(sourceFakes()['dump'] as never) }), async () => {
    const first = await start('backup', { source: 'orders' })
    await gate.reached()
    const second = await start('backup', { source: 'orders' })
    const end = await endOf(second.result())
    expect(end).toMatchObject({ code: 'BUSY', object: 'source/orders', next: expect.stringContaining(first.workflowId) })
    expect(end.message).toContain(`backup of orders (${first.workflowId})`)
    gate.open()
    expect(await first.result()).toMatchObject({ outcome: 'success' })
  })
})

test('backups of two sources run beside each other', async () => {
  const gate = createGate()
  const dump = sourceFakes()['dump'] as never
  await stage.play(
    sourceFakes({
      dump: (input: { source: string }) =>
        (input.source === 'one' ? gate.wait(dump)(input) : sourceFakes()['dump']?.(input)) as Promise<unknown>,
    }),
    async () => {
      const first = await start('backup', { source: 'one' })
      await gate.reached()
      expect(await (await start('backup', { source: 'two' })).result()).toMatchObject({ outcome: 'success', source: 'two' })
      expect(gate.waiting).toBe(1)
      gate.open()
      await first.result()
    },
  )
})

test('a restore waits for the proof that runs, and goes on when it ends', async () => {
  const gate = createGate()
  const proof = sourceFakes()['proveRestore'] as (input: { depth: string }) => Promise<unknown>
  await stage.play(
    sourceFakes({ proveRestore: (input: { depth: string }) => (input.depth === 'full' ? gate.wait(proof)(input) : proof(input)) }),
    async () => {
      const held = await start('verifyRestore', { source: 'waits', depth: 'full' })
      await gate.reached()
      const restore = await start('restore', restoreInput('waits'))
      await waitsFor('points/waits', ['restore of waits'])
      expect(stage.ran).not.toContain('restoreAside')
      gate.open()
      await held.result()
      expect(await restore.result()).toMatchObject({ target: 'beside', database: 'shop' })
    },
  )
})

test('a restore over a live database waits for its running backup, and takes its safety backup under its own lock', async () => {
  const gate = createGate()
  const dump = sourceFakes()['dump'] as never
  await stage.play(sourceFakes({ dump: gate.wait(dump) }), async () => {
    const held = await start('backup', { source: 'live' })
    await gate.reached()
    const restore = await start('restore', { ...restoreInput('live'), target: 'live', confirm: FINGERPRINT })
    await waitsFor('source/live', ['restore of live'])
    expect(stage.ran).not.toContain('checkRestore')
    gate.open()
    await held.result()
    expect(await restore.result()).toMatchObject({ target: 'live', keptAs: 'shop_pre_restore', safetyBackup: expect.any(String) })
    await isFree('source/live')
  })
})

test('a failover takes the source from a running backup, which ends as PREEMPTED with what it had stored removed', async () => {
  const gate = createGate()
  const dump = sourceFakes()['dump'] as never
  await stage.play({ ...sourceFakes({ dump: gate.wait(dump) }), ...failoverOf('taken') }, async () => {
    const backup = await start('backup', { source: 'taken' })
    await gate.reached()
    const takes = await failover('taken')
    await until(() => stage.ran.includes('inspect'), { timeoutMs: 60_000, what: 'the failover at work' })
    expect(await endOf(backup.result())).toMatchObject({
      code: 'PREEMPTED',
      object: 'failover of taken',
      next: 'start it again when the failover has ended',
    })
    expect(gate.cancelled).toBe(1)
    expect(stage.ran).toContain('discard')
    expect(stage.ran).not.toContain('publish')
    expect(await takes.result()).toMatchObject({ outcome: 'success', to: 'west' })
  })
})

test('a failover goes on although what it pre-empted does not let go', async () => {
  const gate = createGate()
  const deaf = createGate()
  const fakes = sourceFakes({ dump: gate.wait(sourceFakes()['dump'] as never), discard: deaf.wait(async () => undefined, { deaf: true }) })
  await stage.play({ ...fakes, ...failoverOf('deaf') }, async () => {
    const backup = await start('backup', { source: 'deaf' })
    await gate.reached()
    try {
      const takes = await failover('deaf')
      expect(await takes.result()).toMatchObject({ outcome: 'success' })
      expect((await backup.describe()).status.name).toBe('RUNNING')
    } finally {
      // Else the worker of a test that fails waits for it for ever.
      deaf.open()
    }
    expect((await endOf(backup.result())).code).toBe('PREEMPTED')
    const { given, meant } = await graceOf('source/deaf')
    expect(given).toBeGreaterThanOrEqual(8)
    expect(meant).toBeLessThanOrEqual(8.1)
  })
})

test('a failover asks for all that it takes at once: their holders let go side by side', async () => {
  const gate = createGate()
  const deaf = createGate()
  const fakes = sourceFakes({ dump: gate.wait(sourceFakes()['dump'] as never), discard: deaf.wait(async () => undefined, { deaf: true }) })
  await stage.play({ ...fakes, ...failoverOf('left', {}, ['right']) }, async () => {
    const backups = await Promise.all([start('backup', { source: 'left' }), start('backup', { source: 'right' })])
    await until(() => gate.waiting === 2, { timeoutMs: 60_000, what: 'both backups' })
    const takes = await failover('left')
    const waiting = () => Promise.all(['source/left', 'source/right'].map(async (resource) => (await lockOf(resource)).waiting))
    // In one look: the one after the other, it would wait for both as well, but never at the same time.
    await until(async () => (await waiting()).every(([first]) => first === 'failover of left'), {
      timeoutMs: 60_000,
      what: 'the failover before both',
    })
    await takes.result().finally(deaf.open)
    expect(await takes.result()).toMatchObject({ outcome: 'success' })
    expect((await Promise.all(backups.map((run) => endOf(run.result())))).map(({ code }) => code)).toEqual(['PREEMPTED', 'PREEMPTED'])
  })
})

test('a second failover of a pair is refused at once, and takes nothing from anybody', async () => {
  const gate = createGate()
  const fenceOldPrimary = pairFakes()['fenceOldPrimary'] as never
  await stage.play({ ...sourceFakes(), ...failoverOf('twice', { fenceOldPrimary: gate.wait(fenceOldPrimary) }) }, async () => {
    const first = await failover('twice')
    await gate.reached()
    const second = await failover('twice')
    expect(await endOf(second.result())).toMatchObject({
      code: 'BUSY',
      object: 'group/twice',
      next: expect.stringContaining(first.workflowId),
    })
    expect((await lockOf('source/twice')).waiting).toEqual([])
    gate.open()
    await first.result()
  })
})

test('a failover that is not ready has taken nothing: the backup under way goes on', async () => {
  const gate = createGate()
  const dump = gate.wait(sourceFakes()['dump'] as never)
  const planSwitch = async () => ({
    ...PLAN,
    group: 'unready',
    findings: [{ name: 'standby streams', ok: false, blocks: true, detail: 'no' }],
  })
  await stage.play({ ...sourceFakes({ dump }), ...failoverOf('unready', { planSwitch }) }, async () => {
    const backup = await start('backup', { source: 'unready' })
    await gate.reached()
    expect(await endOf((await failover('unready')).result())).toMatchObject({ code: 'NOT_READY' })
    gate.open()
    expect(await backup.result()).toMatchObject({ outcome: 'success' })
    expect(gate.cancelled).toBe(0)
  })
})

test('a holder that was terminated blocks nobody, neither who comes later nor who waits already', async () => {
  const gate = createGate()
  const dump = sourceFakes()['dump'] as never
  let held = true
  await stage.play(
    sourceFakes({ dump: (input) => (held ? gate.wait(dump)(input) : sourceFakes()['dump']?.(input)) as Promise<unknown> }),
    async () => {
      const first = await start('backup', { source: 'gone' })
      await gate.reached()
      const restore = await start('restore', { ...restoreInput('gone'), target: 'live', confirm: FINGERPRINT })
      await waitsFor('source/gone', ['restore of gone'])
      held = false
      await first.terminate()
      await restore.result()

      held = true
      const second = await start('backup', { source: 'later' })
      await until(() => gate.waiting > 1, { timeoutMs: 60_000, what: 'the second backup' })
      held = false
      await second.terminate()
      expect(await (await start('backup', { source: 'later' })).result()).toMatchObject({ outcome: 'success' })
      gate.open()
    },
  )
})

test('of twenty that wait for one source, no two are at work at once', async () => {
  let now = 0
  let most = 0
  const proof = sourceFakes()['proveRestore'] as Fakes[string]
  const fakes = sourceFakes({
    proveRestore: async (input) => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setTimeout(resolve, 20))
      now -= 1
      return proof(input)
    },
  })
  await stage.play(fakes, async () => {
    const runs = await Promise.all(Array.from({ length: 20 }, () => start('verifyRestore', { source: 'crowd' })))
    const results = await Promise.all(runs.map((run) => run.result()))
    expect(results.map((result) => result.ok)).toEqual(Array.from({ length: 20 }, () => true))
    expect(most).toBe(1)
    await isFree('points/crowd')
  })
})

test('the lock shows its holder, how long it has it, and who may take it', async () => {
  const gate = createGate()
  await stage.play(sourceFakes({ dump: gate.wait(sourceFakes()['dump'] as never) }), async () => {
    const run = await start('backup', { source: 'shown' })
    await gate.reached()
    const { holder, waiting } = await lockOf('source/shown')
    expect(holder).toMatchObject({ workflowId: run.workflowId, what: 'backup of shown', work: 'backup', mayBePreemptedBy: ['failover'] })
    expect(holder?.ageSeconds).toBeGreaterThanOrEqual(0)
    expect(Date.parse(holder?.since ?? '')).toBeLessThanOrEqual(Date.now())
    expect(waiting).toEqual([])
    await until(async () => ((await lockOf('source/shown')).holder?.ageSeconds ?? 0) > (holder?.ageSeconds ?? 0), {
      timeoutMs: 60_000,
      what: 'a greater age',
    })
    gate.open()
    await run.result()
    await isFree('source/shown')
  })
})

test('who waits longest is not served first: restore before verify', async () => {
  const gate = createGate()
  const order: string[] = []
  const proof = sourceFakes()['proveRestore'] as (input: { depth: string; runId: string }) => Promise<unknown>
  const noted = (input: { depth: string; runId: string }) => {
    order.push(input.depth)
    return proof(input)
  }
  const fakes = sourceFakes({
    proveRestore: (input: { depth: string; runId: string }) => (input.depth === 'full' ? gate.wait(proof)(input) : noted(input)),
  })
  await stage.play(fakes, async () => {
    const held = await start('verifyRestore', { source: 'order', depth: 'full' })
    await gate.reached()
    const verify = await start('verifyRestore', { source: 'order', depth: 'list' })
    await waitsFor('points/order', ['proof of order'])
    const restore = await start('restore', restoreInput('order'))
    await waitsFor('points/order', ['restore of order', 'proof of order'])
    gate.open()
    await Promise.all([held, verify, restore].map((run) => run.result()))
    expect(order).toEqual(['read', 'list'])
    expect(PRIORITY.restore).toBeGreaterThan(PRIORITY.verify)
  })
})

test('the lock is free again after a failure and after a cancel', async () => {
  const gate = createGate()
  let dump: Fakes[string] = async () => {
    throw refused('PROCESS_FAILED', 'pg_dump exited with 1')
  }
  await stage.play(sourceFakes({ dump: (input) => dump(input) }), async () => {
    expect((await endOf((await start('backup', { source: 'freed' })).result())).code).toBe('PROCESS_FAILED')
    await isFree('source/freed')
    dump = gate.wait(sourceFakes()['dump'] as never)
    const run = await start('backup', { source: 'freed' })
    await gate.reached()
    await run.cancel()
    expect((await endOf(run.result())).code).toBe('CancelledFailure')
    await isFree('source/freed')
    dump = sourceFakes()['dump'] as Fakes[string]
    expect(await (await start('backup', { source: 'freed' })).result()).toMatchObject({ outcome: 'success' })
  })
})

test('a lock that cannot ask after its holder keeps it: nobody gets in beside it', async () => {
  const gate = createGate()
  let asked = 0
  const fakes = sourceFakes({
    dump: gate.wait(sourceFakes()['dump'] as never),
    isRunOpen: async () => {
      asked += 1
      throw new Error('Temporal does not answer')
    },
  })
  await stage.play(fakes, async () => {
    const first = await start('backup', { source: 'blind' })
    await gate.reached()
    const second = await start('backup', { source: 'blind' })
    await until(() => asked > 6, { timeoutMs: 120_000, what: 'more tries than a step gets' })
    expect((await stage.client.workflow.getHandle('lock/source/blind').describe()).status.name).toBe('RUNNING')
    gate.open()
    await first.result()
    await second.terminate()
    await stage.client.workflow.getHandle('lock/source/blind').terminate()
  })
})
