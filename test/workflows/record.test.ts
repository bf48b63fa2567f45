/** Every run leaves a record, whichever way it ends; a run that cannot says so. */
import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes.ts'
import { createGate, endOf, POINT, refused, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

interface Evidence {
  workflow: string
  outcome: string
  source: string
  report: Record<string, unknown>
}
let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.close())

const start = (type: string, input: object): Promise<WorkflowHandle> =>
  stage.client.workflow.start(type, { taskQueue: 'holdfast', workflowId: `record-${crypto.randomUUID()}`, args: [input] })
const outcomeOf = async (run: WorkflowHandle) => (await run.describe()).typedSearchAttributes.get(SEARCH_ATTRIBUTES.outcome)

/** Plays with what `writeEvidence` was given. */
async function recording(fakes: Parameters<typeof sourceFakes>[0], play: (told: Evidence[]) => Promise<void>): Promise<void> {
  const told: Evidence[] = []
  const writeEvidence = async (evidence: Evidence) => {
    told.push(evidence)
    return { writer: 'test', number: told.length }
  }
  await stage.play(sourceFakes({ writeEvidence, ...fakes }), () => play(told))
}
const fail = async () => {
  throw refused('SPACE_SHORT', 'the disk is full')
}

test.each([
  ['backup', { dump: fail }, { source: 'orders' }],
  ['restore', { restoreAside: fail }, { source: 'orders', recoveryPoint: 'latest', target: 'beside', requestedBy: 'ana' }],
  ['pointInTimeRecovery', { recoverToPoint: fail }, { source: 'orders', target: { latest: true } }],
  ['verifyRestore', { proveRestore: fail }, { source: 'orders' }],
  ['deleteRecoveryPoint', { deletePoints: fail }, { source: 'orders', recoveryPoint: POINT, confirm: POINT, requestedBy: 'ana' }],
])('a %s that fails is recorded with its error and the steps until then', async (workflow, fakes, input) => {
  await recording(fakes, async (told) => {
    await endOf((await start(workflow, input)).result())
    expect(told).toMatchObject([
      {
        workflow,
        source: 'orders',
        outcome: 'failed',
        report: { code: 'SPACE_SHORT', message: expect.stringContaining('the disk is full') },
      },
    ])
    expect(told[0]?.report).toHaveProperty('steps')
    if ('requestedBy' in input) expect(told[0]?.report).toMatchObject({ requestedBy: 'ana' })
  })
})

test('a backup that is cancelled is recorded as aborted, after what it made was removed', async () => {
  const gate = createGate()
  const dump = gate.wait(async () => ({}))
  await recording({ dump }, async (told) => {
    const run = await start('backup', { source: 'orders' })
    await gate.reached()
    await run.cancel()
    await endOf(run.result())
    expect(told).toMatchObject([{ workflow: 'backup', outcome: 'aborted' }])
    expect(stage.ran.indexOf('discard')).toBeLessThan(stage.ran.indexOf('writeEvidence'))
  })
})

test('a backup that cannot be recorded is kept, and is degraded: the result says why', async () => {
  const writeEvidence = async () => {
    throw refused('STORE_DENIED', 'no right to write')
  }
  await stage.play(sourceFakes({ writeEvidence }), async () => {
    const run = await start('backup', { source: 'orders' })
    expect(await run.result()).toMatchObject({
      id: POINT,
      outcome: 'degraded',
      recordMissing: expect.stringContaining('no right to write'),
    })
    expect(await outcomeOf(run)).toBe('degraded')
    expect(stage.ran).not.toContain('discard')
  })
})

test('what retention deleted is recorded, one that deleted nothing is not', async () => {
  await recording({}, async (told) => {
    await (await start('retention', { source: 'orders' })).result()
    expect(told).toEqual([])
  })
  const planRetention = async ({ source }: { source: string }) => ({
    source,
    keep: [],
    delete: [{ id: POINT, reason: 'no rule keeps it' }],
    locked: [],
    held: [],
  })
  await recording({ planRetention }, async (told) => {
    await (await start('retention', { source: 'orders' })).result()
    expect(told).toMatchObject([{ workflow: 'retention', outcome: 'success', report: { delete: [{ id: POINT }] } }])
  })
})
