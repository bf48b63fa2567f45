import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PlannedMember, Taken } from '../../activities/sets.ts'
import { createGate, endOf, POINT, refused, sourceFakes } from '../support/workflows/source.ts'
import { type Fakes, openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

const member = (name: string, more: Partial<PlannedMember> = {}): PlannedMember => ({ name, required: true, after: [], ...more })

interface Recorded {
  taken: Taken[]
}
function setFakes(members: PlannedMember[], own: Fakes = {}): { fakes: Fakes; recorded: Recorded[] } {
  const recorded: Recorded[] = []
  const fakes = sourceFakes({
    planSet: async () => ({ members, parallel: 2 }),
    markBarrier: async ({ source }) => ({ lsn: `0/${source}` }),
    recordSet: async (input: Recorded) => {
      recorded.push(input)
      const missing = members.filter(({ name }) => input.taken.find(({ source }) => source === name)?.id === undefined)
      return { id: '20260115_120000_everything', complete: missing.every(({ required }) => !required), checks: [] }
    },
    ...own,
  })
  return { fakes, recorded }
}

let count = 0
const start = () =>
  stage.client.workflow.start('backupSet', { taskQueue: 'holdfast', workflowId: `set-${++count}`, args: [{ set: 'everything' }] })
const failFor = (name: string): Fakes => ({
  preflight: async ({ source }) => {
    if (source === name) throw refused('SOURCE_UNREACHABLE', `${name} is away`)
    return { estimateBytes: 1, warnings: [] }
  },
})

test('every member stands behind the barrier before the first is captured, and the record has all of them', async () => {
  const { fakes, recorded } = setFakes([member('orders'), member('graph'), member('bus')])
  await stage.play(fakes, async () => {
    expect(await (await start()).result()).toMatchObject({ outcome: 'success', id: '20260115_120000_everything', warnings: [] })
    const ran = stage.ran.filter((name) => ['markBarrier', 'dump', 'recordSet'].includes(name))
    expect(ran).toEqual(['markBarrier', 'markBarrier', 'markBarrier', 'dump', 'dump', 'dump', 'recordSet'])
    const taken = [...(recorded[0]?.taken ?? [])].sort((a, b) => (a.source < b.source ? -1 : 1))
    expect(taken).toEqual(['bus', 'graph', 'orders'].map((source) => ({ source, barrier: { lsn: `0/${source}` }, id: POINT })))
  })
})

test('no more members are captured at once than the set allows', async () => {
  const gate = createGate()
  const { fakes } = setFakes([member('a'), member('b'), member('c')], { dump: gate.wait(sourceFakes()['dump'] as never) })
  await stage.play(fakes, async () => {
    const run = await start()
    await gate.reached()
    let most = gate.waiting
    while (stage.ran.filter((name) => name === 'preflight').length < 2) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      most = Math.max(most, gate.waiting)
    }
    expect(most).toBeLessThanOrEqual(2)
    expect(stage.ran.filter((name) => name === 'preflight')).toHaveLength(2)
    gate.open()
    await run.result()
    expect(stage.ran.filter((name) => name === 'dump')).toHaveLength(3)
  })
})

test('an optional member that fails leaves a degraded set', async () => {
  const { fakes, recorded } = setFakes([member('orders'), member('graph', { required: false })], failFor('graph'))
  await stage.play(fakes, async () => {
    expect(await (await start()).result()).toMatchObject({ outcome: 'degraded', warnings: ['graph: graph is away'] })
    expect(recorded[0]?.taken.find(({ source }) => source === 'graph')).toMatchObject({ problem: 'graph is away' })
  })
})

test('a required member that fails fails the set, after the others were taken and recorded', async () => {
  const { fakes, recorded } = setFakes([member('orders'), member('graph')], failFor('orders'))
  await stage.play(fakes, async () => {
    const end = await endOf((await start()).result())
    expect(end).toMatchObject({ code: 'SET_INCOMPLETE', object: '20260115_120000_everything' })
    expect(end.message).toContain('orders: orders is away')
    expect(recorded[0]?.taken.find(({ source }) => source === 'graph')).toMatchObject({ id: POINT })
  })
})

test('a member that cannot say where it stands is not captured', async () => {
  const markBarrier = async ({ source }: { source: string }) => {
    if (source === 'graph') throw refused('SOURCE_UNREACHABLE', 'no answer')
    return {}
  }
  const { fakes } = setFakes([member('orders'), member('graph', { required: false })], { markBarrier })
  await stage.play(fakes, async () => {
    expect(await (await start()).result()).toMatchObject({ outcome: 'degraded', warnings: ['graph: no answer'] })
    expect(stage.ran.filter((name) => name === 'dump')).toHaveLength(1)
  })
})

test('a check between members that does not hold degrades the set', async () => {
  const checks = [{ name: 'events', ok: false, expected: 'db events rows <= bus 9', actual: 'db events rows 12' }]
  const { fakes } = setFakes([member('orders')], { recordSet: async () => ({ id: '20260115_120000_everything', complete: true, checks }) })
  await stage.play(fakes, async () => {
    const warning = 'events: expected db events rows <= bus 9, found db events rows 12'
    expect(await (await start()).result()).toMatchObject({ outcome: 'degraded', warnings: [warning] })
  })
})

test('a second backup of the same set is refused while the first runs', async () => {
  const gate = createGate()
  const { fakes } = setFakes([member('orders')], { dump: gate.wait(sourceFakes()['dump'] as never) })
  await stage.play(fakes, async () => {
    const first = await start()
    await gate.reached()
    expect((await endOf((await start()).result())).code).toBe('BUSY')
    gate.open()
    await first.result()
  })
})
