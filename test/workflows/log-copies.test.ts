import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes.ts'
import { refused, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

let count = 0
const start = (input: object = {}): Promise<WorkflowHandle> =>
  stage.client.workflow.start('copyPoints', {
    taskQueue: 'holdfast',
    workflowId: `copyPoints-${++count}`,
    args: [{ source: 'orders', ...input }],
  })
const outcomeOf = async (run: WorkflowHandle) => (await run.describe()).typedSearchAttributes.get(SEARCH_ATTRIBUTES.outcome)
const copyTargets = async () => ({ targets: [{ to: 'dr', verify: 'read', log: true }] })

test('the log of a source goes where its points went, after these', async () => {
  const asked: unknown[] = []
  const copyLogs = async (request: unknown) => {
    asked.push(request)
    return [
      { archive: 'pages-2', segments: 4, bytes: 64 },
      { archive: 'pages-1', segments: 0, bytes: 0 },
    ]
  }
  await stage.play(sourceFakes({ copyTargets, copyLogs }), async () => {
    const run = await start()
    expect(await run.result()).toMatchObject({ copies: [{ to: 'dr', logs: [{ archive: 'pages-2', segments: 4, bytes: 64 }] }] })
    expect(asked).toEqual([{ source: 'orders', to: 'dr' }])
    expect(stage.ran.filter((name) => /^copy/.test(name))).toEqual(['copyTargets', 'copyPoint', 'copyLogs'])
    expect(await outcomeOf(run)).toBe('success')
  })
})

test('a log that cannot be copied keeps no point from its copy, and is no success', async () => {
  const copyLogs = async () => {
    throw refused('STORE_DENIED', 'no access to the log')
  }
  await stage.play(sourceFakes({ copyTargets, copyLogs }), async () => {
    const run = await start()
    expect(await run.result()).toMatchObject({
      copies: [{ to: 'dr', copied: [expect.any(String)], proved: 1 }],
      warnings: ['dr: the log was not copied: no access to the log'],
    })
    expect(await outcomeOf(run)).toBe('degraded')
  })
})

test('what the copy of a log lacks is named by the run, which is no success', async () => {
  const lacking = 'entries 11 to 20 of pages-2 are missing: no moment behind them is reached from 20250101_120000_full'
  const copyLogs = async () => [{ archive: 'pages-2', segments: 2, bytes: 64, problems: [lacking] }]
  await stage.play(sourceFakes({ copyTargets, copyLogs }), async () => {
    const run = await start()
    expect(await run.result()).toMatchObject({
      copies: [{ to: 'dr', logs: [{ archive: 'pages-2', segments: 2, bytes: 64 }] }],
      warnings: [`dr: ${lacking}`],
    })
    expect(await outcomeOf(run)).toBe('degraded')
  })
})

test('of a source without a log nothing is asked', async () => {
  await stage.play(sourceFakes(), async () => {
    expect(await (await start()).result()).toMatchObject({ outcome: 'success' })
    expect(stage.ran).not.toContain('copyLogs')
  })
})
