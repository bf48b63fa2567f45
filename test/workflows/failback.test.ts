/** What a failback does with what exists only on the old side, and with the copy that it was read from. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { WorkflowHandle } from '@temporalio/client'
import type { FailbackReport, LostWrites } from '../../src/contract/failover.ts'
import { approve, type Ended, reject, retryStep, type RunView, skipStep, viewQuery } from '../../src/contract/messages.ts'
import { until } from '../../src/process/wait.ts'
import { pairFakes } from '../support/workflows/pair.ts'
import { refused, sourceFakes } from '../support/workflows/source.ts'
import { failureOf, type Fakes, openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

const KEPT = '/srv/east/data.before-rewind'
const WHOLE: LostWrites = { known: true, transactions: 3, tables: [], exported: ['lost/t.csv'], bytes: 12, warnings: [] }
const UNKNOWN: LostWrites = { ...WHOLE, known: false, why: 'the WAL is damaged', transactions: 0, exported: [] }
const WARNED: LostWrites = { ...WHOLE, warnings: ['shop: the lost transactions changed the schema'] }
const STEP = 'exportLostWrites'
const by = { actor: 'bo', reason: 'looked at it' }

const homeFakes = (lost: () => LostWrites | Promise<LostWrites>, own: Fakes = {}, approvals = 0): Fakes => ({
  ...sourceFakes(),
  ...pairFakes(
    { from: 'west', to: 'east', fromHost: 'db2', toHost: 'db1', approvals: { count: approvals, withinMs: 60_000 } },
    {
      exportLostWrites: async () => lost(),
      rewindOldPrimary: async () => ({ method: 'rewind', kept: KEPT }),
      recloneOldPrimary: async () => ({ method: 'reclone', kept: KEPT }),
      removeKept: async () => ({}),
      ...own,
    },
  ),
})

let count = 0
const start = (): Promise<WorkflowHandle> =>
  stage.client.workflow.start('failback', {
    taskQueue: 'holdfast',
    workflowId: `failback-${++count}`,
    args: [{ group: 'shop', reason: 'east is back', requestedBy: 'ana' }],
  })
const viewed = (run: WorkflowHandle, check: (view: RunView) => boolean) =>
  until(
    async () => {
      const view = (await run.query(viewQuery)) as RunView
      return check(view) && view
    },
    { timeoutMs: 60_000, everyMs: 50, what: 'the view' },
  )
const parked = (run: WorkflowHandle) => viewed(run, (view) => view.awaiting?.what === STEP)
const resultOf = (run: WorkflowHandle) => run.result() as Promise<FailbackReport & Ended>

for (const [what, lost, why] of [
  ['is not known', UNKNOWN, 'the WAL is damaged'],
  ['could not all be exported', WARNED, 'changed the schema'],
] as const) {
  test(`where what only the old side has ${what} nothing is rebuilt before an operator says so, and its data stays`, async () => {
    await stage.play(
      homeFakes(() => lost),
      async () => {
        const run = await start()
        const { awaiting } = await parked(run)
        expect(awaiting).toMatchObject({ why: expect.stringContaining(why), can: expect.arrayContaining(['retryStep', 'skipStep']) })
        expect(stage.ran).not.toContain('rewindOldPrimary')
        await run.executeUpdate(skipStep, { args: [{ ...by, step: STEP }] })
        const report = await resultOf(run)
        expect(report).toMatchObject({
          outcome: 'degraded',
          lost,
          kept: KEPT,
          guaranteesLost: [expect.stringMatching(/^exportLostWrites: /)],
        })
        expect(stage.ran).toContain('rewindOldPrimary')
        expect(stage.ran).not.toContain('removeKept')
      },
    )
  })
}

test('a loss that is known at the second look is exported, and then the run goes on by itself', async () => {
  let mended = false
  await stage.play(
    homeFakes(() => (mended ? WHOLE : UNKNOWN)),
    async () => {
      const run = await start()
      await parked(run)
      mended = true
      await run.executeUpdate(retryStep, { args: [{ ...by, step: STEP }] })
      const report = await resultOf(run)
      expect(report).toMatchObject({ outcome: 'success', lost: WHOLE })
      expect(report.kept).toBeUndefined()
      expect(stage.ran).toContain('removeKept')
    },
  )
})

test('an export that was skipped keeps the old data, also through a re-clone', async () => {
  const fail = async () => {
    throw refused('SOURCE_UNFIT', 'in use')
  }
  const noRewind = async () => {
    throw refused('REWIND_FAILED', 'no WAL back to the fork')
  }
  await stage.play(homeFakes(fail, { rewindOldPrimary: noRewind }), async () => {
    const run = await start()
    await parked(run)
    await run.executeUpdate(skipStep, { args: [{ ...by, step: STEP }] })
    expect(await resultOf(run)).toMatchObject({ outcome: 'degraded', method: 'reclone', kept: KEPT, lost: { known: false } })
    expect(stage.ran).not.toContain('removeKept')
  })
})

test('a copy that nobody needs goes as soon as the site streams: a plan that is rejected afterwards leaves none', async () => {
  await stage.play(
    homeFakes(() => WHOLE, {}, 1),
    async () => {
      const run = await start()
      await viewed(run, (view) => view.phase === 'approval' && view.plan !== undefined)
      expect(stage.ran.filter((name) => /Standby|Kept|Streaming|Primary/.test(name))).toEqual([
        'rewindOldPrimary',
        'awaitStreaming',
        'removeKept',
      ])
      await run.executeUpdate(reject, { args: [{ ...by }] })
      expect((await failureOf(run.result())).code).toBe('REJECTED')
    },
  )
})

test('a copy that an earlier failback could not export stays where the site streams already, and the report names it', async () => {
  await stage.play(
    homeFakes(() => WHOLE, { removeKept: async () => ({ kept: KEPT }) }, 1),
    async () => {
      const run = await start()
      await viewed(run, (view) => view.phase === 'approval' && view.plan !== undefined)
      await run.executeUpdate(approve, { args: [{ ...by, planHash: 'abc123' }] })
      expect(await resultOf(run)).toMatchObject({ kept: KEPT })
    },
  )
})
