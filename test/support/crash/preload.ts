/**
 * `node --import preload.ts <any worker>` with HOLDFAST_CRASH set: every Temporal worker of the process gets the
 * interceptor, so that the worker itself needs no hook for tests.
 */
import { Worker, type WorkerOptions } from '@temporalio/worker'
import { crashInterceptor } from './interceptor.ts'
import { CRASH_ENV, decodePlan } from './plan.ts'

const text = process.env[CRASH_ENV]
if (text) {
  const create = Worker.create.bind(Worker)
  const crash = crashInterceptor(text)
  // A frozen worker's open polls still take tasks, each lost until its timeout: as few of them as there may be.
  const few = (maximum: number) => ({ type: 'simple-maximum', maximum }) as const
  const polls = decodePlan(text).when.startsWith('freeze') ? { activityTaskPollerBehavior: few(1), workflowTaskPollerBehavior: few(2) } : {}
  Worker.create = (options: WorkerOptions) =>
    create({
      ...options,
      ...polls,
      interceptors: { ...options.interceptors, activity: [crash, ...(options.interceptors?.activity ?? [])] },
    })
}
