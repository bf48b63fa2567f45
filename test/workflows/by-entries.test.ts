/** Points that follow what is written, and snapshots on the nodes that points made needless. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { POINT, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

let count = 0
const run = (type: string, input: object): Promise<unknown> =>
  stage.client.workflow.execute(type, { taskQueue: 'holdfast', workflowId: `${type}-entries-${++count}`, args: [input] })

test('while too little was written nothing is taken, and nothing recorded', async () => {
  await stage.play(sourceFakes({ isDue: async () => ({ due: false, detail: '3 entries' }) }), async () => {
    expect(await run('backupWhenDue', { source: 'orders' })).toEqual({ due: false, detail: '3 entries' })
    expect(stage.ran).toEqual(['resolveSource', 'isDue'])
  })
})

test('once enough was written a snapshot is taken, which says why', async () => {
  const published: unknown[] = []
  const publish = async (input: unknown) => void published.push(input)
  await stage.play(sourceFakes({ publish, isDue: async () => ({ due: true, detail: '10004 entries' }) }), async () => {
    expect(await run('backupWhenDue', { source: 'orders' })).toEqual({ due: true, detail: '10004 entries', backup: POINT })
    expect(published).toMatchObject([{ source: 'orders', kind: 'snapshot', description: '10004 entries' }])
    expect(stage.ran).toContain('writeEvidence')
  })
})

const planRetention = async ({ source }: { source: string }) => ({
  source,
  keep: [],
  delete: [],
  locked: [],
  held: [],
  keepSnapshots: '7d',
})

test('retention removes old snapshots from the nodes too, and records it; a dry run only says how many', async () => {
  const asked: unknown[] = []
  const expireSnapshots = async (input: unknown) => {
    asked.push(input)
    return { removed: 2, unproved: 1 }
  }
  await stage.play(sourceFakes({ planRetention, expireSnapshots }), async () => {
    expect(await run('retention', { source: 'orders', dryRun: true })).toMatchObject([{ snapshots: { removed: 2, unproved: 1 } }])
    expect(stage.ran).not.toContain('writeEvidence')
    expect(await run('retention', { source: 'orders' })).toMatchObject([{ snapshots: { removed: 2, unproved: 1 } }])
    expect(stage.ran).toContain('writeEvidence')
    expect(asked).toEqual([true, false].map((dryRun) => ({ source: 'orders', keep: '7d', dryRun })))
  })
})
