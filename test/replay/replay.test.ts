import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker'
import { DeterminismViolationError } from '@temporalio/workflow'
import { beforeAll, describe, expect, test } from 'vitest'
import * as workflows from '../../workflows/index.ts'
import { activitiesOf, type History, readHistory } from '../support/crash/history.ts'
import { workflowCode } from '../support/workflows/bundle.ts'

Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: 'ERROR', forward: {} } } })

const HISTORIES = join(import.meta.dirname, 'histories')
const NAMES = readdirSync(HISTORIES)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
  .sort()
const read = (name: string) => readHistory(join(HISTORIES, `${name}.json`))
const typeOf = (history: History): string => {
  const first = history.events?.[0] as { workflowExecutionStartedEventAttributes?: { workflowType?: { name?: string } } } | undefined
  return first?.workflowExecutionStartedEventAttributes?.workflowType?.name ?? ''
}
let today: { code: string }
beforeAll(async () => {
  today = { code: await workflowCode() }
})

test('there is a recorded run of every workflow', () => {
  // What a type that nobody wrote runs into ends in its first task.
  const types = Object.keys(workflows).filter((type) => type !== 'default')
  expect([...new Set(NAMES.map((name) => typeOf(read(name))))].sort()).toEqual(types.sort())
})

describe('a recorded run goes on with the workflows of today; after a wanted change: node test/replay/record.ts', () => {
  test.each(NAMES)('%s', async (name) => {
    await Worker.runReplayHistory({ workflowBundle: today }, read(name), name)
  })
})

test('a workflow that was changed under its runs is found out', async () => {
  const workflowsPath = fileURLToPath(new URL('changed/index.ts', import.meta.url))
  const changed = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') })
  const replayed = Worker.runReplayHistory({ workflowBundle: changed }, read('backup'), 'backup')
  await expect(replayed).rejects.toBeInstanceOf(DeterminismViolationError)
})

describe('a backup of 200 tables', () => {
  test('has a history of at most 150 events, proof and retention included', () => {
    expect(read('backup').events?.length).toBeLessThanOrEqual(150)
    expect(activitiesOf(read('backup')).map(({ type }) => type)).toEqual([
      'acquireLock',
      'resolveSource',
      'reserveId',
      'preflight',
      'dump',
      'checksum',
      'publish',
      'writeEvidence',
    ])
  })

  test('carries references, not data: the store was asked for 200 objects, none of which is named in the history', () => {
    expect(resultsOf('backup')).toContainEqual(expect.objectContaining({ objects: 200 }))
    const text = JSON.stringify(resultsOf('backup'))
    expect(text).not.toContain('table_0')
  })
})

test('a recorded history says nothing of the machine that it was recorded on', () => {
  for (const name of NAMES) {
    const identities = [...readFileSync(join(HISTORIES, `${name}.json`), 'utf8').matchAll(/"identity": "([^"]*)"/g)].map(
      (match) => match[1],
    )
    expect(
      [...new Set(identities)].filter((identity) => identity !== '1@worker' && identity !== 'history-service'),
      name,
    ).toEqual([])
  }
})

/** What the steps of a recorded run answered. */
function resultsOf(name: string): unknown[] {
  type Completed = { activityTaskCompletedEventAttributes?: { result?: { payloads?: { data?: string }[] } } }
  return (read(name).events as Completed[]).flatMap((event) =>
    (event.activityTaskCompletedEventAttributes?.result?.payloads ?? []).flatMap(({ data }) =>
      data ? [JSON.parse(Buffer.from(data, 'base64').toString()) as unknown] : [],
    ),
  )
}
