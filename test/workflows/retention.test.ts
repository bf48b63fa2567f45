import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes.ts'
import { createGate, endOf, POINT, refused, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

let count = 0
const start = (type: string, input: object): Promise<WorkflowHandle> =>
  stage.client.workflow.start(type, { taskQueue: 'holdfast', workflowId: `${type}-${++count}`, args: [input] })
const outcomeOf = async (run: WorkflowHandle) => (await run.describe()).typedSearchAttributes.get(SEARCH_ATTRIBUTES.outcome)
const OLD = [
  { id: '20250101_120000_manual', reason: 'older than 30d' },
  { id: '20250102_120000_manual', reason: 'older than 30d' },
]
const planRetention = async ({ source }: { source: string }) => ({
  source,
  keep: [{ id: POINT, reasons: ['newest'] }],
  delete: OLD,
  locked: [],
  held: [],
})

test('retention deletes exactly what its report lists', async () => {
  const deleted: unknown[] = []
  const deletePoints = async (report: unknown) => {
    deleted.push(report)
    return report
  }
  await stage.play(sourceFakes({ planRetention, deletePoints }), async () => {
    const run = await start('retention', { source: 'orders' })
    expect(await run.result()).toEqual([await planRetention({ source: 'orders' })])
    expect(deleted).toEqual([await planRetention({ source: 'orders' })])
    expect(await outcomeOf(run)).toBe('success')
  })
})

test('a dry run says what would go and deletes nothing', async () => {
  await stage.play(sourceFakes({ planRetention }), async () => {
    expect(await (await start('retention', { source: 'orders', dryRun: true })).result()).toMatchObject([{ delete: OLD }])
    expect(stage.ran).not.toContain('deletePoints')
  })
})

test('without a source it looks at every one of the configuration, also when one of them is busy', async () => {
  const gate = createGate()
  await stage.play(sourceFakes({ proveRestore: gate.wait(sourceFakes()['proveRestore'] as never) }), async () => {
    const proof = await start('verifyRestore', { source: 'orders' })
    await gate.reached()
    const run = await start('retention', {})
    const end = await endOf(run.result())
    expect(end).toMatchObject({ code: 'BUSY', object: 'points/orders' })
    gate.open()
    await proof.result()
    expect(await (await start('retention', {})).result()).toMatchObject([{ source: 'orders' }, { source: 'users' }])
    expect(stage.ran.filter((name) => name === 'planRetention')).toHaveLength(3)
  })
})

test('points that are all still locked are a normal answer, but not a success', async () => {
  const deletePoints = async (report: object) => ({ ...report, locked: OLD.map(({ id }) => id) })
  await stage.play(sourceFakes({ planRetention, deletePoints }), async () => {
    const run = await start('retention', { source: 'orders' })
    expect(await run.result()).toMatchObject([{ locked: OLD.map(({ id }) => id) }])
    expect(await outcomeOf(run)).toBe('degraded')
  })
})

const withWindow = async (request: { source: string }) => ({ ...(await planRetention(request)), pitrWindow: '7d' })

test('where there is an archive, its WAL goes after the points, by the same run and into the record', async () => {
  const asked: unknown[] = []
  const expireArchive = async (request: unknown) => {
    asked.push(request)
    return { segments: 3, bytes: 48 }
  }
  await stage.play(sourceFakes({ planRetention: withWindow, expireArchive }), async () => {
    const run = await start('retention', { source: 'orders' })
    expect(await run.result()).toMatchObject([{ delete: OLD, archive: { segments: 3, bytes: 48 } }])
    expect(asked).toEqual([{ source: 'orders', leaving: OLD.map(({ id }) => id), dryRun: false }])
    expect(stage.ran.filter((name) => /deletePoints|expireArchive|writeEvidence/.test(name))).toEqual([
      'deletePoints',
      'writeEvidence',
      'expireArchive',
      'writeEvidence',
    ])
    expect(await outcomeOf(run)).toBe('success')
  })
})

test('the WAL of a point that was to go and stayed, held, locked or needed, is not taken for free', async () => {
  const [first, second] = OLD.map(({ id }) => id)
  const asked: { leaving: string[] }[] = []
  const expireArchive = async (request: { leaving: string[] }) => {
    asked.push(request)
    return { segments: 0, bytes: 0 }
  }
  for (const stayed of [{ held: [first] }, { locked: [first] }, { needed: [{ id: first, by: ['20250103-120000F'] }] }]) {
    const deletePoints = async (report: object) => ({ ...report, ...stayed })
    await stage.play(sourceFakes({ planRetention: withWindow, deletePoints, expireArchive }), async () => {
      await (await start('retention', { source: 'orders' })).result()
      expect(asked.at(-1)?.leaving, JSON.stringify(stayed)).toEqual([second])
    })
  }
})

test('a dry run says how much WAL would go, and records nothing', async () => {
  const expireArchive = async ({ dryRun }: { dryRun: boolean }) => ({ segments: dryRun ? 3 : 0, bytes: 48 })
  await stage.play(sourceFakes({ planRetention: withWindow, expireArchive }), async () => {
    const run = await start('retention', { source: 'orders', dryRun: true })
    expect(await run.result()).toMatchObject([{ delete: OLD, archive: { segments: 3 } }])
    expect(stage.ran).not.toContain('deletePoints')
    expect(stage.ran).not.toContain('writeEvidence')
  })
})

test('an archive that nothing is taken from because something is wrong is no success; one that only has to wait is', async () => {
  const kept = (unhealthy: boolean) => async () => ({ segments: 0, bytes: 0, left: 'why', ...(unhealthy && { unhealthy }) })
  for (const [unhealthy, outcome] of [
    [true, 'degraded'],
    [false, 'success'],
  ] as const)
    await stage.play(sourceFakes({ planRetention: withWindow, expireArchive: kept(unhealthy) }), async () => {
      const run = await start('retention', { source: 'orders' })
      expect(await run.result()).toMatchObject([{ archive: { left: 'why' } }])
      expect(await outcomeOf(run)).toBe(outcome)
    })
})

const withLogs = async (request: { source: string }) => ({
  ...(await planRetention(request)),
  keepLogs: [
    { archive: 'pages-2', keep: '30d' },
    { archive: 'pages-1', keep: '7d' },
  ],
})
const planLog = async ({ archive, keep }: { archive: string; keep: string }) =>
  archive === 'pages-2'
    ? { archive, keep, segments: 3, bytes: 48, first: '1-10.wal', last: '21-30.wal' }
    : { archive, keep, segments: 0, bytes: 0 }

test('of a log that its engine ships what is planned goes after the points, each archive by its rule, and stands in the record', async () => {
  const planned: unknown[] = []
  const removed: unknown[] = []
  const fakes = sourceFakes({
    planRetention: withLogs,
    planLog: async (request: { archive: string; keep: string }) => {
      planned.push(request)
      return planLog(request)
    },
    removeLog: async (request: unknown) => {
      removed.push(request)
      return {}
    },
  })
  await stage.play(fakes, async () => {
    const run = await start('retention', { source: 'orders' })
    expect(await run.result()).toMatchObject([
      {
        logs: [
          { archive: 'pages-2', segments: 3 },
          { archive: 'pages-1', segments: 0 },
        ],
      },
    ])
    expect(planned).toEqual([
      { source: 'orders', archive: 'pages-2', keep: '30d', leaving: [] },
      { source: 'orders', archive: 'pages-1', keep: '7d', leaving: [] },
    ])
    expect(removed).toEqual([{ source: 'orders', archive: 'pages-2', keep: '30d', last: '21-30.wal' }])
    expect(stage.ran.filter((name) => /deletePoints|Log|writeEvidence/.test(name))).toEqual([
      ...['deletePoints', 'writeEvidence'],
      ...['planLog', 'removeLog', 'writeEvidence', 'planLog'],
    ])
    expect(await outcomeOf(run)).toBe('success')
  })
})

test('of copies the log beside them goes by the points of there', async () => {
  const asked: unknown[] = []
  const fakes = sourceFakes({
    planRetention: async (request: { source: string }) => ({ ...(await withLogs(request)), delete: [], repository: 'dr' }),
    planLog: async (request: { archive: string; keep: string; repository: string }) => {
      asked.push(request.repository)
      return planLog(request)
    },
    removeLog: async ({ repository }: { repository: string }) => {
      asked.push(`from ${repository}`)
      return {}
    },
  })
  await stage.play(fakes, async () => {
    await (await start('retention', { source: 'orders', repository: 'dr' })).result()
    expect(asked).toEqual(['dr', 'from dr', 'dr'])
  })
})

test('a dry run says what of a log would go once its points are gone, and removes nothing', async () => {
  const leaving: unknown[] = []
  const fakes = sourceFakes({
    planRetention: withLogs,
    planLog: async (request: { archive: string; keep: string; leaving: string[] }) => {
      leaving.push(request.leaving)
      return planLog(request)
    },
  })
  await stage.play(fakes, async () => {
    const run = await start('retention', { source: 'orders', dryRun: true })
    expect(await run.result()).toMatchObject([{ logs: [{ segments: 3, last: '21-30.wal' }, { segments: 0 }] }])
    expect(leaving).toEqual(Array(2).fill(OLD.map(({ id }) => id)))
    expect(stage.ran).not.toContain('removeLog')
    expect(stage.ran).not.toContain('writeEvidence')
  })
})

test('a log that is locked, or that nothing may go of because something is wrong, is no success', async () => {
  const locked = { planLog, removeLog: async () => ({ locked: '11-20.wal' }) }
  const unwell = { planLog: async (request: object) => ({ ...request, segments: 0, bytes: 0, left: 'why', unhealthy: true }) }
  for (const fakes of [locked, unwell])
    await stage.play(sourceFakes({ planRetention: withLogs, ...fakes } as never), async () => {
      const run = await start('retention', { source: 'orders' })
      await run.result()
      expect(await outcomeOf(run)).toBe('degraded')
    })
})

test('a point is deleted once its id was given twice, and not before', async () => {
  await stage.play(sourceFakes(), async () => {
    const wrong = await start('deleteRecoveryPoint', { source: 'orders', recoveryPoint: POINT, confirm: 'yes' })
    expect(await endOf(wrong.result())).toMatchObject({
      code: 'CONFIRM_MISMATCH',
      object: POINT,
      next: `repeat with "confirm": "${POINT}"`,
    })
    expect(stage.ran).toEqual(['writeEvidence'])
    expect(await outcomeOf(wrong)).toBe('failed')
    const right = await start('deleteRecoveryPoint', { source: 'orders', recoveryPoint: POINT, confirm: POINT, requestedBy: 'ana' })
    expect(await right.result()).toMatchObject({ delete: [{ id: POINT, reason: 'asked for by ana' }] })
    expect(await outcomeOf(right)).toBe('success')
  })
})

test('a protected point is refused before anything is deleted', async () => {
  const mayDelete = async () => {
    throw refused('POINT_PROTECTED', `${POINT} is the last good recovery point of orders`)
  }
  await stage.play(sourceFakes({ mayDelete }), async () => {
    const run = await start('deleteRecoveryPoint', { source: 'orders', recoveryPoint: POINT, confirm: POINT })
    expect((await endOf(run.result())).code).toBe('POINT_PROTECTED')
    expect(stage.ran).not.toContain('deletePoints')
    expect(await outcomeOf(run)).toBe('failed')
  })
})

test('a delete that found the point locked or held says that it is still there', async () => {
  const deletePoints = async (report: object) => ({ ...report, held: [POINT] })
  await stage.play(sourceFakes({ deletePoints }), async () => {
    const run = await start('deleteRecoveryPoint', { source: 'orders', recoveryPoint: POINT, confirm: POINT })
    expect(await run.result()).toMatchObject({ held: [POINT] })
    expect(await outcomeOf(run)).toBe('degraded')
  })
})

test('a delete is refused while a restore reads, and a hold waits for it', async () => {
  const gate = createGate()
  await stage.play(sourceFakes({ restoreAside: gate.wait(sourceFakes()['restoreAside'] as never) }), async () => {
    const restore = await start('restore', { source: 'orders', recoveryPoint: POINT, requestedBy: 'ana' })
    await gate.reached()
    const run = await start('deleteRecoveryPoint', { source: 'orders', recoveryPoint: POINT, confirm: POINT })
    expect(await endOf(run.result())).toMatchObject({
      code: 'BUSY',
      object: 'points/orders',
      next: expect.stringContaining(restore.workflowId),
    })
    const hold = await start('holdRecoveryPoint', { source: 'orders', recoveryPoint: POINT, actor: 'ana', reason: 'legal case' })
    gate.open()
    await restore.result()
    expect(await hold.result()).toEqual({ source: 'orders', recoveryPoint: POINT, held: true })
    expect(stage.ran).not.toContain('deletePoints')
  })
})

test.each([
  ['walSwitch', { source: 'orders' }, 'switchWal'],
  ['discardInstance', { source: 'orders', instance: 'pitr-1' }, 'discardInstance'],
  ['holdRecoveryPoint', { source: 'orders', recoveryPoint: POINT, actor: 'ana', reason: 'legal case' }, 'holdPoint'],
])('a %s that fails says so in its search attributes', async (type, input, activity) => {
  const fail = async () => {
    throw refused('NOT_FOUND', 'there is none')
  }
  await stage.play(sourceFakes({ [activity]: fail }), async () => {
    const run = await start(type, input)
    expect((await endOf(run.result())).code).toBe('NOT_FOUND')
    expect(await outcomeOf(run)).toBe('failed')
  })
})
