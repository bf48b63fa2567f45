/** The messages of Temporal's API that this driver reads and writes; the package is CommonJS and has them in one object. */
import proto, { type temporal } from '@temporalio/proto'

const api = proto.temporal.api
export const { History } = api.history.v1
export const { Schedule } = api.schedule.v1
export const { Memo, SearchAttributes } = api.common.v1
export const { GetWorkflowExecutionHistoryRequest, StartWorkflowExecutionRequest } = api.workflowservice.v1
export const { EventType, IndexedValueType, WorkflowIdConflictPolicy, WorkflowIdReusePolicy } = api.enums.v1

export type HistoryEvent = temporal.api.history.v1.IHistoryEvent
export type StartedEvent = temporal.api.history.v1.IWorkflowExecutionStartedEventAttributes
export type ExecutionInfo = temporal.api.workflow.v1.IWorkflowExecutionInfo
export type Timestamp = { seconds?: unknown; nanos?: number | null }

export const durationOf = (seconds: string | undefined) => proto.google.protobuf.Duration.fromObject({ seconds: seconds ?? '0' })

/** To the nanosecond, in UTC. */
export function timeText(time: Timestamp | null | undefined): string | undefined {
  if (!time) return undefined
  const fraction = String(time.nanos ?? 0).padStart(9, '0')
  return new Date(Number(time.seconds ?? 0) * 1000).toISOString().replace('.000Z', `.${fraction}Z`)
}
