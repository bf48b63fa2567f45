import { ApplicationFailure, type WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { failureOf as shownBy } from '../../src/cli/failure.ts'
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
import { PLAN as PAIR_PLAN, pairFakes } from '../support/workflows/pair.ts'
import { failureOf, openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

const behind = async (): Promise<never> => {
  throw ApplicationFailure.nonRetryable('west has replayed to 0/0, the old side stopped at 0/1', 'LAG_TOO_LARGE')
}
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
  // On the command line the next step has a line of its own, and stands nowhere else.
  expect(shownBy(error).message).not.toContain('. Next: ')
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
  await stage.play(pairFakes({ approvals: { count: 0, withinMs: 1 } }, { awaitReplay: behind }), async () => {
    const handle = await start({ ...INPUT, mode: 'planned' })
    const { awaiting } = await awaitView(handle, (v) => v.awaiting?.what === 'awaitReplay')
    expect(awaiting?.can).toEqual(['retryStep', 'abort'])
    await handle.executeUpdate(abort, { args: [{ actor: 'bo', reason: 'the primary is well' }] })
    expect((await failureOf(handle.result())).code).toBe('ABORTED')
    expect(stage.ran.slice(-3)).toEqual(['revokePromotion', 'unfence', 'writeEvidence'])
    // What goes into the archive half-filled cannot be taken back.
    expect(stage.ran).not.toContain('drainArchive')
  })
})

test('a clean stop whose log the stream has brought is archived only once the new side works', async () => {
  await stage.play(pairFakes({ approvals: { count: 0, withinMs: 1 } }), async () => {
    const report = (await (await start()).result()) as FailoverReport
    expect(report).toMatchObject({ outcome: 'success', loss: { zero: true }, drain: { reachable: true, segments: 1 } })
    const steps = ['fenceOldPrimary', 'awaitReplay', 'drainArchive', 'promoteReplica', 'updateDns', 'firstGoodWrite']
    expect(stage.ran.filter((step) => steps.includes(step))).toEqual([
      'fenceOldPrimary',
      'awaitReplay',
      'promoteReplica',
      'updateDns',
      'firstGoodWrite',
      'drainArchive',
    ])
  })
})

describe('an unplanned failover whose standby does not reach the end of the old log', () => {
  const fakes = (lag: object = {}) =>
    pairFakes(
      { approvals: { count: 0, withinMs: 1 }, ...lag },
      { awaitReplay: async (input: { mayMiss?: boolean }) => (input.mayMiss ? { replayedLsn: '0/1', reached: false } : behind()) },
    )

  test('waits for an operator, past the point of no return; skipping it names what is lost', async () => {
    await stage.play(fakes(), async () => {
      const handle = await start()
      const { awaiting } = await awaitView(handle, (v) => v.awaiting?.what === 'awaitReplay')
      expect(awaiting?.can).toEqual(['retryStep', 'skipStep'])
      expect(stage.ran).toContain('drainArchive')
      expect(stage.ran).not.toContain('promoteReplica')
      await handle.executeUpdate(skipStep, { args: [{ actor: 'bo', reason: 'we need the service', step: 'awaitReplay' }] })
      expect(await handle.result()).toMatchObject({
        outcome: 'degraded',
        loss: { zero: false },
        guaranteesLost: ['awaitReplay: what the old side wrote last is missing on the new one'],
      })
    })
  })

  test('goes on where the loss was accepted beforehand, and names it', async () => {
    await stage.play(fakes({ lag: { known: false, text: 'lag unknown' } }), async () => {
      const report = (await (await start({ ...INPUT, acceptLoss: true })).result()) as FailoverReport
      expect(report).toMatchObject({ outcome: 'degraded', guaranteesLost: [expect.stringContaining('awaitReplay')] })
      expect(report.loss).not.toHaveProperty('boundBytes')
    })
  })
})

test('a cancel past the point of no return leaves nobody fenced without a primary: the run goes to its end', async () => {
  const draining = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const drainArchive = async () => {
    draining.resolve()
    await go.promise
    return { reachable: true, segments: 1, detail: '1 segment' }
  }
  const unclean = async () => ({ ...((await pairFakes()['fenceOldPrimary']?.({})) as object), clean: false })
  await stage.play(pairFakes({ approvals: { count: 0, withinMs: 1 } }, { drainArchive, fenceOldPrimary: unclean }), async () => {
    const handle = await start()
    await draining.promise
    await handle.cancel()
    go.resolve()
    expect(((await handle.result()) as FailoverReport).to).toBe('west')
    expect(stage.ran).toContain('firstGoodWrite')
  })
})

test('where a side that is needed does not answer at first, it is looked at again before the failover is given up', async () => {
  const inspect = pairFakes()['inspect']
  let looks = 0
  // Both sides, twice each as a step is tried: workers that hang.
  const slow = async (input: object) => {
    if (++looks <= 4) throw new Error('the worker hangs')
    return inspect?.(input)
  }
  await stage.play(pairFakes({ approvals: { count: 0, withinMs: 1 } }, { inspect: slow }), async () => {
    expect(((await (await start()).result()) as FailoverReport).to).toBe('west')
  })
  const nobody = async () => {
    throw ApplicationFailure.nonRetryable('nobody is there')
  }
  const planSwitch = async () => {
    throw ApplicationFailure.nonRetryable('neither side answers', 'NOT_READY')
  }
  await stage.play(pairFakes({}, { inspect: nobody, planSwitch }), async () => {
    expect((await failureOf((await start()).result())).code).toBe('NOT_READY')
  })
  expect(stage.ran.filter((name) => name === 'inspect')).toHaveLength(6)
})

test('a running side whose fence fails cannot be attested away, planned or not', async () => {
  const fenceOldPrimary = async () => {
    throw ApplicationFailure.nonRetryable('it did not stop within 10 s', 'FENCE_UNPROVEN')
  }
  for (const mode of ['planned', 'unplanned']) {
    await stage.play(pairFakes({ approvals: { count: 0, withinMs: 1 } }, { fenceOldPrimary }), async () => {
      const handle = await start({ ...INPUT, mode })
      const { awaiting } = await awaitView(handle, (v) => v.awaiting?.what === 'fenceOldPrimary')
      expect(awaiting?.can).toEqual(['retryStep', 'abort'])
      const attest = handle.executeUpdate(attestFenced, { args: [{ actor: 'bo', secondPerson: 'cy', reason: 'off' }] })
      expect(await why(attest)).toContain('no fence waits for an attestation')
      await handle.executeUpdate(abort, { args: [{ actor: 'bo', reason: 'it runs' }] })
      expect((await failureOf(handle.result())).code).toBe('ABORTED')
    })
  }
})

test('an unplanned fence that is not proved at once is tried again before anybody is woken', async () => {
  const proved = pairFakes()['fenceOldPrimary']
  let tries = 0
  const fenceOldPrimary = async (input: object) => {
    if (++tries === 1) throw ApplicationFailure.nonRetryable('the socket opened before did not end', 'FENCE_UNPROVEN')
    return proved?.(input)
  }
  await stage.play(pairFakes({ approvals: { count: 0, withinMs: 1 } }, { fenceOldPrimary }), async () => {
    const report = (await (await start({ ...INPUT, acceptLoss: true })).result()) as FailoverReport
    expect(report.fenceProven).toBe(true)
  })
  expect(tries).toBe(2)
})

test('a host that died since the plan was made is fenced by its command', async () => {
  const fenceByCommand = async ({ site }: { site: string }) => ({
    ...((await pairFakes()['fenceOldPrimary']?.({})) as object),
    how: 'command',
    clean: false,
    site,
  })
  await stage.play(pairFakes({ approvals: { count: 0, withinMs: 1 }, fromHost: 'nobody-serves-it' }, { fenceByCommand }), async () => {
    const report = (await (await start({ ...INPUT, acceptLoss: true })).result()) as FailoverReport
    expect(report).toMatchObject({ fenceProven: true, fence: { how: 'command', site: 'east' } })
  })
})

test('a host that answers again is fenced there, once an operator has the step tried again', async () => {
  const fenceByCommand = async () => {
    throw ApplicationFailure.nonRetryable('the group has no command that fences east', 'FENCE_UNPROVEN')
  }
  const fakes = pairFakes({ approvals: { count: 0, withinMs: 1 }, fromReachable: false }, { fenceByCommand })
  await stage.play(fakes, async () => {
    const handle = await start({ ...INPUT, acceptLoss: true })
    await awaitView(handle, (v) => v.awaiting?.what === 'fenceOldPrimary')
    await handle.executeUpdate(retryStep, { args: [{ actor: 'bo', reason: 'its worker is back', step: 'fenceOldPrimary' }] })
    expect(await handle.result()).toMatchObject({ fenceProven: true, fence: { how: 'stop-instance' } })
  })
})

test('an abort after a fence by command takes that back', async () => {
  const fenceByCommand = async () => {
    throw ApplicationFailure.nonRetryable('the read-back says no', 'FENCE_UNPROVEN')
  }
  const fakes = pairFakes({ approvals: { count: 0, withinMs: 1 }, fromReachable: false }, { fenceByCommand })
  await stage.play(fakes, async () => {
    const handle = await start({ ...INPUT, acceptLoss: true })
    await awaitView(handle, (v) => v.awaiting?.what === 'fenceOldPrimary')
    await handle.executeUpdate(abort, { args: [{ actor: 'bo', reason: 'it is back' }] })
    expect((await failureOf(handle.result())).code).toBe('ABORTED')
    expect(stage.ran.slice(-3)).toEqual(['revokePromotion', 'releaseFence', 'writeEvidence'])
  })
})

test('a late yes to a plan that no longer fits is asked for anew; to one that does, it counts', async () => {
  let looks = 0
  const planSwitch = async () => {
    looks += 1
    // The second look finds a newer epoch; the third what the second found.
    return { ...PAIR_PLAN, approvals: { count: 1, withinMs: 3_000 }, ...(looks > 1 && { epoch: 5, hash: 'def456' }) }
  }
  const approveLate = async (handle: WorkflowHandle, planHash: string) => {
    await awaitView(handle, (v) => v.awaiting?.what === 'approval')
    await handle.executeUpdate(resume, { args: [{ actor: 'bo', reason: 'now' }] })
    await handle.executeUpdate(approve, { args: [{ actor: 'bo', reason: 'now', planHash }] })
  }
  await stage.play(pairFakes({}, { planSwitch }), async () => {
    const handle = await start()
    await approveLate(handle, 'abc123')
    await awaitView(handle, (v) => v.plan?.hash === 'def456')
    expect(stage.ran).not.toContain('fenceOldPrimary')
    await approveLate(handle, 'def456')
    expect(((await handle.result()) as FailoverReport).epoch).toBe(5)
    expect(looks).toBe(3)
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
