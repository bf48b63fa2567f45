/** Makes the schedules of a namespace those that the configuration wants. */
import { CONTROL_QUEUE } from '../contract/vocabulary.ts'
import { createHash } from 'node:crypto'
import {
  type Client,
  type ScheduleDescription,
  ScheduleNotFoundError,
  type ScheduleOptions,
  type ScheduleOptionsStartWorkflowAction,
  ScheduleOverlapPolicy,
} from '@temporalio/client'
import type { Workflow } from '@temporalio/common'
import canonicalize from 'canonicalize'
import type { Config } from '../config/schema.ts'
import { type DesiredSchedule, planSchedules, SCHEDULE_PREFIX } from './plan-schedules.ts'

export { type DesiredSchedule, planSchedules } from './plan-schedules.ts'

/** Ids of schedules. */
export interface ScheduleChanges {
  create: string[]
  update: string[]
  delete: string[]
  unchanged: string[]
}

/**
 * The memo of the started workflow, not of the schedule: an update of a schedule cannot change its own memo, and what
 * `describe` answers of the rest is normalised by the server and does not compare.
 */
const HASH = 'holdfastSchedule'

/**
 * With `dryRun` it tells what it would do. Pauses that an operator made survive an update. Schedules with our prefix
 * that start work on this task queue and are no longer wanted are deleted; those of another installation are not.
 */
export async function reconcileSchedules(client: Client, config: Config, { dryRun }: { dryRun: boolean }): Promise<ScheduleChanges> {
  const wanted = planSchedules(config)
  const changes: ScheduleChanges = { create: [], update: [], delete: [], unchanged: [] }
  for (const schedule of wanted) {
    const there = await describe(client, schedule.id)
    const change = !there ? 'create' : there.action.memo?.[HASH] === hashOf(schedule) ? 'unchanged' : 'update'
    changes[change].push(schedule.id)
    if (dryRun || change === 'unchanged') continue
    if (change === 'create') await client.schedule.create({ scheduleId: schedule.id, ...optionsOf(schedule) })
    else await update(client, schedule)
  }
  for (const id of await unwanted(client, config, wanted)) {
    changes.delete.push(id)
    if (!dryRun) await remove(client, id)
  }
  return changes
}

async function update(client: Client, schedule: DesiredSchedule): Promise<void> {
  const options = optionsOf(schedule)
  const note = options.state?.note
  await client.schedule
    .getHandle(schedule.id)
    .update(({ state }) => ({ ...options, state: state.paused ? { paused: true, note: state.note } : { note } }))
}

async function unwanted(client: Client, _config: Config, wanted: DesiredSchedule[]): Promise<string[]> {
  const keep = new Set(wanted.map(({ id }) => id))
  const found: string[] = []
  for await (const { scheduleId } of client.schedule.list()) {
    if (!scheduleId.startsWith(SCHEDULE_PREFIX) || keep.has(scheduleId)) continue
    // The listing lags: it still shows what is gone.
    const there = await describe(client, scheduleId)
    if (there?.action.taskQueue === CONTROL_QUEUE) found.push(scheduleId)
  }
  return found.sort()
}

async function remove(client: Client, id: string): Promise<void> {
  try {
    await client.schedule.getHandle(id).delete()
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error
  }
}

async function describe(client: Client, id: string): Promise<ScheduleDescription | undefined> {
  try {
    return await client.schedule.getHandle(id).describe()
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined
    throw error
  }
}

type Options = Omit<ScheduleOptions<ScheduleOptionsStartWorkflowAction<Workflow>>, 'scheduleId'>

function optionsOf(schedule: DesiredSchedule): Options {
  const options = withoutHash(schedule)
  return { ...options, action: { ...options.action, memo: { [HASH]: hashOf(schedule) } } }
}

function withoutHash({
  workflowType,
  workflowId,
  taskQueue,
  input,
  summary,
  calendar,
  timezone,
  jitter,
  catchupWindow,
}: DesiredSchedule): Options {
  return {
    spec: { calendars: [calendar], timezone, jitter },
    action: { type: 'startWorkflow', workflowType, workflowId, taskQueue, args: [input], staticSummary: summary },
    // A schedule that paused itself after one failed backup would be an outage of its own.
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow, pauseOnFailure: false },
    state: { note: `${summary}; kept by holdfast apply` },
  }
}

// Of all that is sent: a later version of Holdfast that states something else updates what stands.
function hashOf(schedule: DesiredSchedule): string {
  return createHash('sha256')
    .update(canonicalize(withoutHash(schedule)) ?? '')
    .digest('hex')
    .slice(0, 32)
}
