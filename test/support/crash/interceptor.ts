/** Makes a worker kill or freeze itself at one activity, once. For tests only: nothing outside of test/ imports it. */
import { existsSync, writeFileSync } from 'node:fs'
import type { Info } from '@temporalio/activity'
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, ActivityInterceptorsFactory } from '@temporalio/worker'
import { type CrashPlan, decodePlan, filesOf } from './plan.ts'

type Next = (input: ActivityExecuteInput) => Promise<unknown>

/** The interceptor for a plan as the environment variable holds it. It goes first: nothing happens after it. */
export function crashInterceptor(text: string): ActivityInterceptorsFactory {
  const plan = decodePlan(text)
  return ({ info }) => ({ inbound: matches(plan, info) ? inbound(plan, info) : {} })
}

function matches({ activity }: CrashPlan, info: Info): boolean {
  return activity === info.activityType || activity === `${info.activityType}#${info.activityId}`
}

function inbound(plan: CrashPlan, info: Info): ActivityInboundCallsInterceptor {
  const files = filesOf(plan.marker)
  return {
    async execute(input: ActivityExecuteInput, next: Next): Promise<unknown> {
      if (existsSync(files.crashed)) {
        write(files.again, info)
        return next(input)
      }
      const early = ['before', 'freeze', 'freeze-late'].includes(plan.when)
      if (early && write(files.crashed, info)) crash(plan)
      const outcome = await settle(next(input))
      // Before an effect that did not happen there is nothing to lose: only a success counts as "after".
      if (!early && 'value' in outcome && write(files.crashed, info)) crash(plan)
      if (existsSync(files.crashed)) write(files.late, info, 'value' in outcome ? 'resolved' : 'rejected')
      if ('value' in outcome) return outcome.value
      throw outcome.error
    },
  }
}

/** SIGKILL does not return; SIGSTOP returns when somebody sends SIGCONT. */
function crash({ when }: CrashPlan): void {
  process.kill(process.pid, when === 'before' || when === 'after' ? 'SIGKILL' : 'SIGSTOP')
}

/** False where the file stands already: then another activity of the same plan was first. */
function write(file: string, { activityType, activityId, attempt }: Info, outcome?: string): boolean {
  try {
    writeFileSync(file, JSON.stringify({ pid: process.pid, activityType, activityId, attempt, outcome }), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function settle(promise: Promise<unknown>): Promise<{ value: unknown } | { error: unknown }> {
  return promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
}
