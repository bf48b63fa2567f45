import { ApplicationFailure, type WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FailoverReport } from '../../src/contract/failover.ts'
import {
  abort,
  approve,
  attestFenced,
  pause,
  reject,
  resume,
  retryStep,
  type RunView,
  skipStep,
  viewQuery,
} from '../../src/contract/messages.ts'
import { until } from '../../src/process/wait.ts'
import { pairFakes } from '../support/workflows/pair.ts'
import { failureOf, openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

const INPUT = { group: 'shop', mode: 'unplanned', reason: 'test', requestedBy: 'ana' }
const PLAN = { planHash: 'abc123', reason: 'looks right' }
let count = 0
const start = (input: object = INPUT): Promise<WorkflowHandle> =>
  stage.client.workflow.start('failover', { taskQueue: 'holdfast', workflowId: `failover-${++count}`, args: [input] })
const view = (handle: WorkflowHandle) => handle.query(viewQuery) as Promise<RunView>
const awaitView = (handle: WorkflowHandle, check: (view: RunView) => boolean) =>
  until(async () => check(await view(handle)) && view(handle), { timeoutMs: 30_000, everyMs: 50, what: 'the view' })
const atApproval = (handle: WorkflowHandle) => awaitView(handle, (v) => v.phase === 'approval' && v.plan !== undefined)
const why = async (refused: Promise<unknown>) => {
  const error = await refused.then(
    () => {
      throw new Error('was accepted')
    },
    (caught: Error) => caught,
  )
  return (error.cause as ApplicationFailure).message
}

test('an approval by the requester, for another plan, or twice is refused and stands in the run; one by another person goes on', async () => {
  await stage.play(pairFakes({ approvals: { count: 2, withinMs: 60_000 } }), async () => {
    const handle = await start()
    await atApproval(handle)
    expect(await why(handle.executeUpdate(approve, { args: [{ actor: 'ana', ...PLAN }] }))).toContain('another person approves')
    expect(await why(handle.executeUpdate(approve, { args: [{ actor: 'bo', ...PLAN, planHash: 'old' }] }))).toContain(
      'the plan shown now is abc123',
    )
    await handle.executeUpdate(approve, { args: [{ actor: 'bo', ...PLAN }] })
    expect(await why(handle.executeUpdate(approve, { args: [{ actor: 'bo', ...PLAN }] }))).toContain('has approved already')
    await handle.executeUpdate(approve, { args: [{ actor: 'cy', ...PLAN }] })
    const report = (await handle.result()) as FailoverReport
    expect(report.approvals).toEqual(['bo', 'cy'])
    expect((await view(handle)).log.filter((entry) => entry.refused)).toHaveLength(3)
  })
})

test('an approval that comes too late is refused: the run is parked until an operator resumes it', async () => {
  await stage.play(pairFakes({ approvals: { count: 1, withinMs: 1 } }), async () => {
    const handle = await start()
    await awaitView(handle, (v) => v.awaiting?.what === 'approval')
    expect(await why(handle.executeUpdate(approve, { args: [{ actor: 'bo', ...PLAN }] }))).toContain('the time for it has passed')
    await handle.executeUpdate(reject, { args: [{ actor: 'bo', reason: 'too late' }] })
    expect((await failureOf(handle.result())).code).toBe('REJECTED')
    expect(stage.ran).not.toContain('fenceOldPrimary')
  })
})

test('a rejected plan changes nothing', async () => {
  await stage.play(pairFakes(), async () => {
    const handle = await start()
    await atApproval(handle)
    await handle.executeUpdate(reject, { args: [{ actor: 'bo', reason: 'no' }] })
    expect(await failureOf(handle.result())).toMatchObject({ code: 'REJECTED', message: expect.stringContaining('bo: no') })
    expect(stage.ran).not.toContain('fenceOldPrimary')
  })
})

test('an abort before the promotion takes the fence back, with a newer epoch first', async () => {
  const paused = pairFakes(
    { approvals: { count: 0, withinMs: 1 } },
    {
      drainArchive: async () => {
        throw ApplicationFailure.nonRetryable('the archive is down', 'ARCHIVE_UNHEALTHY')
      },
    },
  )
  await stage.play(paused, async () => {
    const handle = await start()
    await awaitView(handle, (v) => v.awaiting?.what === 'drainArchive')
    await handle.executeUpdate(abort, { args: [{ actor: 'bo', reason: 'the primary is well' }] })
    expect((await failureOf(handle.result())).code).toBe('ABORTED')
    expect(stage.ran.slice(-3)).toEqual(['revokePromotion', 'unfence', 'writeEvidence'])
  })
})

test('past the point of no return an abort is refused, and a promotion out of retries parks the run instead of failing it', async () => {
  let broken = true
  const fakes = pairFakes(
    { approvals: { count: 0, withinMs: 1 } },
    {
      promoteReplica: async () => {
        if (broken) throw ApplicationFailure.nonRetryable('no answer', 'STANDBY_UNHEALTHY')
        return { timeline: 2, forkLsn: '0/2', alreadyPromoted: true, seconds: 0 }
      },
    },
  )
  await stage.play(fakes, async () => {
    const handle = await start()
    await awaitView(handle, (v) => v.awaiting?.what === 'promoteReplica')
    expect(await why(handle.executeUpdate(abort, { args: [{ actor: 'bo', reason: 'x' }] }))).toContain('may have happened')
    expect(await why(handle.executeUpdate(skipStep, { args: [{ actor: 'bo', reason: 'x', step: 'promoteReplica' }] }))).toContain(
      'cannot be skipped',
    )
    broken = false
    await handle.executeUpdate(retryStep, { args: [{ actor: 'bo', reason: 'it is back', step: 'promoteReplica' }] })
    expect(((await handle.result()) as FailoverReport).promote.alreadyPromoted).toBe(true)
    expect(stage.ran).not.toContain('unfence')
  })
})

test('a skipped step degrades the outcome and names the guarantee that is lost', async () => {
  const fakes = pairFakes(
    { approvals: { count: 0, withinMs: 1 } },
    {
      updateDns: async () => {
        throw ApplicationFailure.nonRetryable('the name server is down', 'TRAFFIC_UNCONFIRMED')
      },
    },
  )
  await stage.play(fakes, async () => {
    const handle = await start()
    await awaitView(handle, (v) => v.awaiting?.what === 'updateDns')
    await handle.executeUpdate(skipStep, { args: [{ actor: 'bo', reason: 'clients use a list', step: 'updateDns' }] })
    const report = (await handle.result()) as FailoverReport
    expect(report).toMatchObject({ outcome: 'degraded', guaranteesLost: ['updateDns: clients are not sent to the new primary'] })
  })
})

test('a paused run goes no step further until it is resumed', async () => {
  await stage.play(pairFakes(), async () => {
    const handle = await start()
    await atApproval(handle)
    await handle.executeUpdate(pause, { args: [{ actor: 'bo', reason: 'wait' }] })
    await handle.executeUpdate(approve, { args: [{ actor: 'bo', ...PLAN }] })
    await awaitView(handle, (v) => v.awaiting?.what === 'pause')
    expect(stage.ran).not.toContain('fenceOldPrimary')
    await handle.executeUpdate(resume, { args: [{ actor: 'bo', reason: 'go' }] })
    await handle.result()
    expect(stage.ran).toContain('promoteReplica')
  })
})

test('a host that cannot be reached waits for two persons to attest, and is reported as attested, not proved', async () => {
  await stage.play(pairFakes({ fromReachable: false, approvals: { count: 0, withinMs: 1 } }), async () => {
    const handle = await start()
    await awaitView(handle, (v) => v.awaiting?.what === 'fenceOldPrimary')
    expect(await why(handle.executeUpdate(attestFenced, { args: [{ actor: 'bo', secondPerson: 'bo', reason: 'off' }] }))).toContain(
      'two persons',
    )
    await handle.executeUpdate(attestFenced, { args: [{ actor: 'bo', secondPerson: 'cy', reason: 'powered off by hand' }] })
    const report = (await handle.result()) as FailoverReport
    expect(report).toMatchObject({
      outcome: 'degraded',
      fenceProven: false,
      fence: { how: 'attested', attestedBy: 'bo and cy: powered off by hand' },
    })
  })
})

test('a lag over the limit or unknown refuses the failover before anything is done, unless the loss is accepted', async () => {
  for (const lag of [
    { known: true, bytes: 1001, text: '1001 bytes of WAL behind' },
    { known: false, text: 'lag unknown' },
  ]) {
    await stage.play(pairFakes({ lag, approvals: { count: 0, withinMs: 1 } }), async () => {
      expect((await failureOf((await start()).result())).code).toBe('LAG_TOO_LARGE')
      expect(stage.ran).not.toContain('fenceOldPrimary')
      expect(((await (await start({ ...INPUT, acceptLoss: true })).result()) as FailoverReport).to).toBe('west')
    })
  }
})

test.each([
  [3_600, true],
  [4, false],
])('a failover of 5 s says of an objective of %i s that it was met: %s', async (seconds, met) => {
  await stage.play(pairFakes({ approvals: { count: 0, withinMs: 1 }, rtoObjectiveSeconds: seconds }), async () => {
    const report = (await (await start({ ...INPUT, failedAt: new Date(Date.now() - 5_000).toISOString() })).result()) as FailoverReport
    expect(report.rtoObjective).toEqual({ seconds, met })
  })
})

test('the phases of the report add up to its recovery time', async () => {
  await stage.play(pairFakes({ approvals: { count: 0, withinMs: 1 } }), async () => {
    const report = (await (await start({ ...INPUT, failedAt: new Date(Date.now() - 5_000).toISOString() })).result()) as FailoverReport
    expect(Object.values(report.phases).reduce((sum, seconds) => sum + seconds, 0)).toBeCloseTo(report.rtoSeconds, 3)
    expect(report.phases.detect).toBeGreaterThanOrEqual(5)
    expect(report).not.toHaveProperty('rtoObjective')
  })
})
