/** One step of a plan: gate, act, and, when it is out of retries, an operator's decision instead of a half-done run. */
import { isCancellation } from '@temporalio/workflow'
import { rootFailure } from './failure.ts'
import type { Steering } from './steering.ts'
import type { View } from './view.ts'

export interface Step<T> {
  name: string
  act: () => Promise<T>
  /** The guarantee that is lost when an operator skips it; without one it cannot be skipped. */
  lostWhenSkipped?: string
  /** A few words about the result, for the step table. */
  say?: (result: T) => string
}

export type StepRunner = <T>(step: Step<T>) => Promise<T | undefined>

/** Undefined where an operator skipped the step; `lost` then has the guarantee that went with it. */
/** For a run that nobody watches: what fails ends it. */
export function plainSteps(view: View): StepRunner {
  return async ({ name, act, say }) => {
    view.step(name, 'running')
    try {
      const result = await act()
      view.step(name, 'done', say?.(result))
      return result
    } catch (error) {
      view.step(name, 'failed', rootFailure(error).message)
      throw error
    }
  }
}

export function createStepRunner(view: View, steering: Steering, lost: string[]): StepRunner {
  return async (step) => {
    while (true) {
      await steering.gate()
      view.step(step.name, 'running')
      try {
        const result = await step.act()
        view.step(step.name, 'done', step.say?.(result))
        return result
      } catch (error) {
        const { code, message } = rootFailure(error)
        view.step(step.name, 'failed', message)
        if (isCancellation(error)) throw error
        const decision = await steering.decide(step.name, `${code}: ${message}`, step.lostWhenSkipped !== undefined)
        if (decision === 'retry') continue
        view.step(step.name, 'skipped', step.lostWhenSkipped)
        lost.push(`${step.name}: ${step.lostWhenSkipped}`)
        return undefined
      }
    }
  }
}
