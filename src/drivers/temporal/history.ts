/** The history of one run, byte for byte as the server holds it, and whether it is whole. */
import { Reader } from 'protobufjs'
import { HoldfastError } from '../../core/errors.ts'
import { GRPC, refusalOf, type Session } from '../../temporal/namespace-session.ts'
import { EventType, type ExecutionInfo, GetWorkflowExecutionHistoryRequest, History, type HistoryEvent } from '../../temporal/messages.ts'

export interface FetchedHistory {
  info: ExecutionInfo
  /** One `temporal.api.history.v1.History`. */
  bytes: Buffer
  events: number
  /** From its last event, since a run may end between the list and here: `Running`, `Completed`, … */
  status: string
}

const PAGE = 1000

/** Undefined where the run is gone: the namespace's retention has removed it meanwhile. */
export async function fetchHistory(session: Session, info: ExecutionInfo): Promise<FetchedHistory | undefined> {
  const pages: Buffer[] = []
  let nextPageToken: Uint8Array = new Uint8Array()
  try {
    do {
      const request = { namespace: session.namespace, execution: info.execution ?? {}, maximumPageSize: PAGE, nextPageToken }
      const answer = pageOf(
        await session.askRaw('GetWorkflowExecutionHistory', GetWorkflowExecutionHistoryRequest.encode(request).finish()),
      )
      pages.push(...answer.histories)
      nextPageToken = answer.nextPageToken
    } while (nextPageToken.length > 0)
  } catch (error) {
    if (refusalOf(error) === GRPC.notFound) return undefined
    throw error
  }
  // Messages one after the other are one message, by the rules of the format.
  const bytes = Buffer.concat(pages)
  const { events, problem } = examine(bytes)
  const object = `${info.execution?.workflowId}/${info.execution?.runId}`
  if (problem !== undefined)
    throw new HoldfastError('INTEGRITY', `the history of ${object} as ${session.address} gave it: ${problem}`, {
      object,
      next: 'start the backup again; if it comes again, look at the run with temporal workflow show',
    })
  return { info, bytes, events: events.length, status: statusOf(events.at(-1)) }
}

/** Fields of GetWorkflowExecutionHistoryResponse. */
function pageOf(answer: Buffer): { histories: Buffer[]; nextPageToken: Uint8Array } {
  const reader = Reader.create(answer)
  const histories: Buffer[] = []
  let nextPageToken: Uint8Array = new Uint8Array()
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag >>> 3 === 1) histories.push(Buffer.from(reader.bytes()))
    else if (tag >>> 3 === 3) nextPageToken = reader.bytes()
    else reader.skipType(tag & 7)
  }
  return { histories, nextPageToken }
}

/** Whether it decodes, begins with its start and lacks no event. */
export function examine(bytes: Uint8Array): { events: HistoryEvent[]; problem?: string } {
  try {
    const { events } = History.decode(bytes)
    return { events, ...problemOf(events) }
  } catch (error) {
    return { events: [], problem: `it cannot be decoded: ${error instanceof Error ? error.message : error}` }
  }
}

function problemOf(events: HistoryEvent[]): { problem?: string } {
  if (events.length === 0) return { problem: 'it has no events' }
  const gap = events.findIndex(({ eventId }, index) => String(eventId) !== String(index + 1))
  if (gap >= 0) return { problem: `in the place of event ${gap + 1} is event ${events[gap]?.eventId}` }
  return events[0]?.eventType === EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED ? {} : { problem: 'it does not begin with its start' }
}

/** How runs end, in the words of Temporal's queries, by the event that ends them. */
const ENDINGS = new Map<unknown, string>([
  [EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, 'Completed'],
  [EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, 'Failed'],
  [EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, 'Canceled'],
  [EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, 'Terminated'],
  [EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW, 'ContinuedAsNew'],
  [EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT, 'TimedOut'],
])
export const ENDED: readonly string[] = [...ENDINGS.values()]
export const statusOf = (last: HistoryEvent | undefined): string => ENDINGS.get(last?.eventType) ?? 'Running'
