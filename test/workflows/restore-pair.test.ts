/** What a restore over a side of a pair does with the other one, in which order, and what it takes back. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RestoreReport } from '../../activities/restore.ts'
import type { Ended } from '../../src/contract/messages.ts'
import { pairFakes, PLAN } from '../support/workflows/pair.ts'
import { endOf, FINGERPRINT, POINT, refused, sourceFakes } from '../support/workflows/source.ts'
import { type Fakes, openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

const side = (role: 'primary' | 'standby' | 'down', more: object = {}) => ({
  reachable: true,
  running: role !== 'down',
  role,
  pinned: false,
  epoch: 4,
  walReadable: true,
  streaming: false,
  ...more,
})
const fakes = (own: Fakes = {}, west: object = side('standby')): Fakes => ({
  ...sourceFakes(),
  ...pairFakes(),
  resolveSource: async ({ live }) => ({ driver: 'postgres-physical', host: 'db1', ...(live && { pair: 'shop' }) }),
  inspect: async ({ site }) => (site === 'east' ? side('primary') : west),
  planSwitch: async () => ({ ...PLAN, findings: [{ name: 'standby streams', ok: false, blocks: true, detail: 'it does not' }] }),
  retireStandby: async () => undefined,
  lookAtRetired: async () => ({ had: 'own' }),
  exportLostWrites: async () => ({ known: true, transactions: 0, tables: [], exported: [], bytes: 0 }),
  rewindOldPrimary: async () => ({ method: 'rewind' }),
  removeKept: async () => ({}),
  isApart: async () => ({ apart: false }),
  ...own,
})
const fail = async () => {
  throw refused('SPACE_SHORT', 'the disk is full')
}
const OF_INTEREST = ['restoreAside', 'retireStandby', 'swapIn', 'rewindOldPrimary', 'awaitStreaming', 'removeAside', 'isApart', 'unfence']
const steps = () => stage.ran.filter((name) => OF_INTEREST.includes(name))

let count = 0
const restore = () =>
  stage.client.workflow.start('restore', {
    taskQueue: 'holdfast',
    workflowId: `restore-pair-${++count}`,
    args: [{ source: 'shop', recoveryPoint: POINT, requestedBy: 'ana', target: 'live', confirm: FINGERPRINT, safetyBackup: false }],
  })
const done = async () => (await (await restore()).result()) as RestoreReport & Ended
const failed = async () => endOf((await restore()).result())

test('the other side serves until the copy is whole, is fenced before the data change, and follows once they have', async () => {
  const epochs: unknown[] = []
  const retireStandby = async ({ epoch }: { epoch: number }) => {
    epochs.push(epoch)
  }
  await stage.play(fakes({ retireStandby }), async () => {
    expect(await done()).toMatchObject({ outcome: 'success', notes: ['west streams from east again, by rewind'] })
    expect(steps()).toEqual(['restoreAside', 'retireStandby', 'swapIn', 'retireStandby', 'rewindOldPrimary', 'awaitStreaming'])
    expect(epochs[0]).toBe(5)
  })
})

test('a side that does not follow degrades the restore, which stays done, and the warning has the command', async () => {
  await stage.play(fakes({ rewindOldPrimary: fail }), async () => {
    const { outcome, warnings, keptAs } = await done()
    expect({ outcome, keptAs }).toEqual({ outcome: 'degraded', keptAs: 'shop_pre_restore' })
    expect(warnings).toEqual([expect.stringMatching(/shop has no standby.*the disk is full.*holdfast rebuild-standby shop/)])
    expect(stage.ran).not.toContain('removeAside')
  })
})

test('a swap that fails is taken back first, and then the fence', async () => {
  await stage.play(fakes({ swapIn: fail }), async () => {
    expect((await failed()).code).toBe('SPACE_SHORT')
    expect(steps()).toEqual(['restoreAside', 'retireStandby', 'swapIn', 'removeAside', 'isApart', 'unfence'])
  })
})

test('where the data have changed all the same, the other side stays fenced: it would bring back what was replaced', async () => {
  await stage.play(fakes({ swapIn: fail, isApart: async () => ({ apart: true }) }), async () => {
    expect((await failed()).message).toMatch(/west stays fenced.*holdfast rebuild-standby shop/)
    expect(stage.ran).not.toContain('unfence')
  })
})

test.each([
  ['nothing was fenced', fakes({ restoreAside: fail })],
  ['it was down before, and may be a primary of before', fakes({ swapIn: fail }, side('down', { pinned: true }))],
])('a side is never started by an undo where %s', async (_, played) => {
  await stage.play(played, async () => {
    expect((await failed()).code).toBe('SPACE_SHORT')
    expect(stage.ran).toContain('removeAside')
    expect(stage.ran).not.toContain('unfence')
  })
})

test('where nobody can tell whether they have, it stays fenced as well, and the message has the way out', async () => {
  const isApart = async () => {
    throw refused('SOURCE_UNREACHABLE', 'connection refused')
  }
  await stage.play(fakes({ swapIn: fail, isApart }), async () => {
    expect((await failed()).message).toMatch(/west stays fenced.*connection refused.*docs\/pair\.md/)
    expect(stage.ran).not.toContain('unfence')
  })
})

test('a fence that fails is taken back without a look at the primary, whose data nobody has touched', async () => {
  await stage.play(fakes({ retireStandby: fail }), async () => {
    expect((await failed()).code).toBe('SPACE_SHORT')
    expect(steps()).toEqual(['restoreAside', 'retireStandby', 'removeAside', 'unfence'])
  })
})

test('what only the other side had, as a primary of before, is said', async () => {
  const exportLostWrites = async () => ({ known: true, transactions: 3, tables: [], exported: ['lost.csv'], bytes: 1 })
  await stage.play(fakes({ exportLostWrites }, side('down', { pinned: true })), async () => {
    expect(await done()).toMatchObject({ outcome: 'degraded', warnings: ['3 transactions existed only on west: lost.csv'] })
  })
})

test.each([
  ['that streams is known to have nothing of its own', true],
  ['that does not stream is looked through for what only it has', false],
])('a standby %s', async (_, streaming) => {
  let looks = 0
  const planSwitch = async () => ({
    ...PLAN,
    findings: [{ name: 'standby streams', ok: streaming && looks++ === 0, blocks: true, detail: 'it does not' }],
  })
  await stage.play(fakes({ planSwitch }), async () => {
    await done()
    expect(stage.ran.includes('exportLostWrites')).toBe(!streaming)
  })
})

test.each([
  ['does not answer', side('down', { reachable: false, why: 'no worker' }), 'host:db2'],
  ['takes writes as well', side('primary'), 'fence one side at once'],
])('another side that %s refuses the restore before anything is touched', async (_, west, next) => {
  await stage.play(fakes({}, west), async () => {
    const end = await failed()
    expect(end.code).toBe('NOT_READY')
    expect(end.message).toContain(next)
    expect(steps()).toEqual([])
  })
})

test.each([
  ['a standby that may have what no archive has', side('standby')],
  ['data that a stopped server has left', side('down')],
])('without a primary, %s is failed over to, and not restored over', async (_, west) => {
  const inspect = async ({ site }: { site: string }) => (site === 'east' ? side('down', { walReadable: false }) : west)
  await stage.play(fakes({ inspect }), async () => {
    const end = await failed()
    expect(end.code).toBe('NOT_READY')
    expect(end.message).toContain('holdfast failover shop')
    expect(steps()).toEqual([])
  })
})

test('beside it, a pair is like any other source', async () => {
  await stage.play(fakes(), async () => {
    const input = { source: 'shop', recoveryPoint: POINT, requestedBy: 'ana' }
    const run = await stage.client.workflow.start('restore', { taskQueue: 'holdfast', workflowId: `beside-${++count}`, args: [input] })
    await run.result()
    expect(stage.ran).not.toContain('describeGroup')
  })
})
