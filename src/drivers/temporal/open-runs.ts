/** Runs that were open, started again from their beginning: with what they were started with, under a new run id and with nothing of their progress. */
import type { Manifest } from '../../core/records.ts'
import type { DriverContext } from '../driver.ts'
import { GRPC, refusalOf, type Session } from '../../temporal/namespace-session.ts'
import { examine } from './history.ts'
import {
  type HistoryEvent,
  StartWorkflowExecutionRequest,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
} from '../../temporal/messages.ts'
import { readBundle, readIndex } from './read-bundle.ts'
import { extentOf, type IndexLine } from './records.ts'
import { requestIdOf } from './schedules.ts'

export interface OpenRuns {
  started: string[]
  /** Their parents start them again. */
  children: number
  /** A run of that id goes on there already. */
  there: string[]
}

export interface OpenRun {
  line: IndexLine
  events: HistoryEvent[]
}

/** Of the bundles in a folder; without those that ended while they were captured. */
export async function* openRunsIn(manifest: Manifest, fileOf: (part: string) => string): AsyncGenerator<OpenRun> {
  const { bundles } = extentOf(manifest)
  for (const part of Object.keys(bundles).sort()) {
    if (bundles[part]?.group !== 'open') continue
    const { lines } = await readIndex(fileOf(part))
    let at = 0
    for await (const bytes of readBundle(fileOf(part))) {
      const line = lines[at++]
      if (line?.status === 'Running') yield { line, events: examine(bytes).events }
    }
  }
}

export async function startOpenRuns(
  session: Session,
  context: DriverContext,
  manifest: Manifest,
  { dir, fileOf }: { dir: string; fileOf(part: string): string },
): Promise<OpenRuns> {
  const result: OpenRuns = { started: [], children: 0, there: [] }
  for await (const { line, events } of openRunsIn(manifest, fileOf)) {
    context.onProgress({ phase: 'open runs', parts: result.started.length })
    const request = startOf(session.namespace, line, events, dir)
    if (!request) result.children += 1
    else if (await start(session, request)) result.started.push(line.workflowId)
    else result.there.push(line.workflowId)
  }
  return result
}

async function start(session: Session, request: ReturnType<typeof startOf>): Promise<boolean> {
  try {
    await session.ask(({ workflowService }) => workflowService.startWorkflowExecution(request ?? {}))
    return true
  } catch (error) {
    if (refusalOf(error) === GRPC.alreadyExists) return false
    throw error
  }
}

/** A second try of the same restore is given the run of the first. */
function startOf(namespace: string, { workflowId, runId }: IndexLine, [first]: HistoryEvent[], dir: string) {
  const started = first?.workflowExecutionStartedEventAttributes
  if (!started || started.parentWorkflowExecution) return undefined
  return StartWorkflowExecutionRequest.create({
    namespace,
    workflowId,
    requestId: requestIdOf(dir, runId),
    identity: 'holdfast restore',
    workflowType: started.workflowType,
    taskQueue: { name: started.taskQueue?.name },
    input: started.input,
    header: started.header,
    memo: started.memo,
    searchAttributes: started.searchAttributes,
    workflowExecutionTimeout: started.workflowExecutionTimeout,
    workflowRunTimeout: started.workflowRunTimeout,
    workflowTaskTimeout: started.workflowTaskTimeout,
    retryPolicy: started.retryPolicy,
    cronSchedule: started.cronSchedule,
    workflowIdReusePolicy: WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
  })
}
