/** Exclusion through Temporal: a run asks the lock of a resource, is told yes or who holds it, and gives it back whatever happens. */
import {
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { LockActivities } from '../../activities/lock.ts'
import { type LockAnswer, lockAnswerSignal, preemptSignal, releaseSignal } from '../../src/contract/messages.ts'
import { PRIORITY, type Work } from '../../src/contract/vocabulary.ts'
import { failure } from './failure.ts'
import { control } from './options.ts'

const { acquireLock } = proxyActivities<LockActivities>(control)

export interface LockOptions {
  work: Work
  /** Queue behind the holder instead of being refused. */
  wait: boolean
  /** Those of the resources that are refused at once even so: a second failover must not begin when the first has ended. */
  never?: string[]
  /** Asks for the others all at once: for work that takes them from their holders, whose time to let go must not add up. */
  together?: boolean
  what: string
}

/** Runs `body` while holding every resource, taken in one order by all. A pre-emption cancels the body and fails the run as PREEMPTED. */
export async function withLocks<T>(resources: string[], options: LockOptions, body: () => Promise<T>): Promise<T> {
  const { workflowId, runId, parent } = workflowInfo()
  const who = { workflowId, runId, ...(parent && { parent: { workflowId: parent.workflowId, runId: parent.runId } }) }
  const answers = new Map<string, LockAnswer>()
  let preemptedBy: string | undefined
  const scope = new CancellationScope()
  setHandler(lockAnswerSignal, (answer) => void answers.set(answer.resource, answer))
  setHandler(preemptSignal, ({ by }) => {
    preemptedBy ??= by
    scope.cancel()
  })
  const asked: string[] = []
  const never = options.never ?? []
  const take = async (resource: string): Promise<void> => {
    asked.push(resource)
    const wait = options.wait && !never.includes(resource)
    await acquireLock.executeWithOptions({ summary: `lock ${resource}` }, [
      { resource, ...who, work: options.work, priority: PRIORITY[options.work], wait, what: options.what },
    ])
    await condition(() => answers.has(resource))
    const answer = answers.get(resource)
    if (answer?.granted) return
    throw failure('BUSY', `${resource} is busy: ${answer?.holder ?? 'another run'} since ${answer?.since ?? 'a moment'}`, {
      object: resource,
      ...(answer?.holderId && { next: `wait for it, or: temporal workflow cancel --workflow-id '${answer.holderId}'` }),
      details: { holder: answer?.holder },
    })
  }
  try {
    const refusable = [...resources].sort().filter((resource) => never.includes(resource))
    const others = [...resources].sort().filter((resource) => !never.includes(resource))
    for (const resource of refusable) await take(resource)
    if (options.together) await Promise.all(others.map(take))
    else for (const resource of others) await take(resource)
    return await scope.run(body)
  } catch (error) {
    if (preemptedBy && isCancellation(error)) throw failure('PREEMPTED', `Pre-empted by ${preemptedBy}`, { object: preemptedBy })
    throw error
  } finally {
    await CancellationScope.nonCancellable(async () => {
      for (const resource of asked)
        await getExternalWorkflowHandle(`lock/${resource}`)
          .signal(releaseSignal, { workflowId, runId })
          .catch(() => undefined)
    })
  }
}
