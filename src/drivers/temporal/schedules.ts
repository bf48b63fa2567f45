/** Schedules as the server itself describes them: the SDK's own objects would lose what it does not know. */
import { canonicalBytes, digestOf } from '../../catalog/canonical.ts'
import { GRPC, refusalOf, type Session } from '../../temporal/namespace-session.ts'
import { type InOrder, inOrder } from '../common/in-order.ts'
import { Memo, Schedule, SearchAttributes } from '../../temporal/messages.ts'
import { jsonOf } from './namespace.ts'

/** In protobufjs's JSON. */
export interface ScheduleRecord {
  id: string
  schedule: { state?: ScheduleState } & Record<string, unknown>
  memo?: Record<string, unknown>
  searchAttributes?: Record<string, unknown>
}
interface ScheduleState {
  paused?: boolean
  notes?: string
  [more: string]: unknown
}

const AT_ONCE = 16
const HOW: InOrder<{ id: string }> = { width: AT_ONCE, weight: () => 1, most: AT_ONCE }

/** In the order of their list; one that is deleted meanwhile is none. */
export async function* readSchedules(session: Session): AsyncGenerator<ScheduleRecord> {
  for await (const record of inOrder(listSchedules(session), HOW, ({ id }) => findSchedule(session, id))) if (record) yield record
}

/** Of these ids, whatever the list says, which lags behind; undefined for one that there is not. */
export async function* findSchedules(session: Session, wanted: readonly { id: string }[]): AsyncGenerator<ScheduleRecord | undefined> {
  async function* all(): AsyncGenerator<{ id: string }> {
    yield* wanted
  }
  yield* inOrder(all(), HOW, ({ id }) => findSchedule(session, id))
}

export async function* listSchedules(session: Session): AsyncGenerator<{ id: string }> {
  let nextPageToken: Uint8Array = new Uint8Array()
  do {
    const page = await session.ask(({ workflowService }) =>
      workflowService.listSchedules({ namespace: session.namespace, maximumPageSize: 1000, nextPageToken }),
    )
    for (const { scheduleId } of page.schedules) if (scheduleId) yield { id: scheduleId }
    nextPageToken = page.nextPageToken
  } while (nextPageToken.length > 0)
}

export async function findSchedule(session: Session, id: string): Promise<ScheduleRecord | undefined> {
  try {
    const described = await session.ask(({ workflowService }) =>
      workflowService.describeSchedule({ namespace: session.namespace, scheduleId: id }),
    )
    const { schedule, memo, searchAttributes } = jsonOf<Omit<ScheduleRecord, 'id'>>(described)
    return { id, schedule, ...(memo && { memo }), ...(searchAttributes && { searchAttributes }) }
  } catch (error) {
    if (refusalOf(error) === GRPC.notFound) return undefined
    throw error
  }
}

export const isPaused = ({ schedule }: ScheduleRecord): boolean => schedule.state?.paused === true

/** All of it but whether it is paused and the note, which a restore changes. */
export function definitionOf({ schedule: { state = {}, ...schedule }, memo = {}, searchAttributes = {}, id }: ScheduleRecord): string {
  const { paused: _, notes: __, ...rest } = state
  return digestOf(canonicalBytes({ id, schedule, state: rest, memo, searchAttributes }))
}

/** What tells a restored one from others; where it came from, and how it was there. */
const markOf = (point: string): string => `restored by Holdfast from ${point}`

/** Whether it was made by an earlier try of the same restore. */
export const isOurs = ({ schedule }: ScheduleRecord, point: string): boolean =>
  schedule.state?.notes?.startsWith(`${markOf(point)};`) === true

/** The note tells how it was: paused here says nothing of there. */
export function restoredState(record: ScheduleRecord, point: string, running: boolean): ScheduleState {
  const { paused = false, notes = '', ...rest } = record.schedule.state ?? {}
  const was = `${paused ? 'paused' : 'running'} there${notes ? `, with the note: ${notes}` : ''}`
  return { ...rest, ...(!(running && !paused) && { paused: true }), notes: `${markOf(point)}; ${was}` }
}

export interface Remaking {
  /** `<source>/<id>`. */
  point: string
  /** Whether those that ran run again at once. */
  running: boolean
  /** The folder of the restore: the same for each of its tries, and another for the next restore. */
  dir: string
}

/** A request that the server has answered before makes nothing, also where what it made then is gone. */
export const requestIdOf = (dir: string, id: string): string => digestOf(Buffer.from(`${dir} ${id}`))

/** Makes it as it was, paused unless `running` and it ran. */
export async function createSchedule(session: Session, record: ScheduleRecord, { point, running, dir }: Remaking): Promise<void> {
  const { id: scheduleId, schedule, memo, searchAttributes } = record
  await session.ask(({ workflowService }) =>
    workflowService.createSchedule({
      namespace: session.namespace,
      scheduleId,
      schedule: Schedule.fromObject({ ...schedule, state: restoredState(record, point, running) }),
      ...(memo && { memo: Memo.fromObject(memo) }),
      ...(searchAttributes && { searchAttributes: SearchAttributes.fromObject(searchAttributes) }),
      requestId: requestIdOf(dir, scheduleId),
    }),
  )
}

/** Gives one that is there the captured definition; its memo stays, which the API does not change. */
export async function updateSchedule(session: Session, record: ScheduleRecord, point: string, running: boolean): Promise<void> {
  const { id: scheduleId, schedule, searchAttributes = {} } = record
  await session.ask(({ workflowService }) =>
    workflowService.updateSchedule({
      namespace: session.namespace,
      scheduleId,
      schedule: Schedule.fromObject({ ...schedule, state: restoredState(record, point, running) }),
      searchAttributes: SearchAttributes.fromObject(searchAttributes),
      requestId: digestOf(Buffer.from(`${point} ${scheduleId} ${Date.now()}`)),
    }),
  )
}
