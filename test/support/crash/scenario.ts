/** What can be crashed: a workflow on a state of its own, and what the world must look like afterwards. */
import type { WorkflowHandle } from '@temporalio/client'
import { causesOf } from '../../../scripts/causes.ts'
import type { CrashTime } from './plan.ts'
import type { Crashed, Lane, Start } from './stage.ts'

export interface Scenario {
  /** `backup`, `backup physical`: the workflow's name first. */
  name: string
  lane: Lane
  /** How a run may end that keeps its promise by undoing what it did. */
  mayFail?: RegExp
  /** A fresh state, the run's start on it, and the comparison after its end. */
  prepare(): Promise<Prepared>
}

export interface Prepared {
  start: Start
  /** What is not as it has to be; nothing where the run converged. */
  compare(crashed: Crashed, when: CrashTime): Promise<string[]>
}

/** One round: a fresh state, the run with its crash, the comparison. Gives what is wrong. */
export async function play(scenario: Scenario, activity: string, when: CrashTime): Promise<string[]> {
  const { start, compare } = await scenario.prepare()
  const crashed = await scenario.lane.crash({ activity, when, start })
  return problemsOf(crashed, await compare(crashed, when), scenario.mayFail)
}

/** The same without a crash. */
export async function playCalm(scenario: Scenario): Promise<{ handle: WorkflowHandle; problems: string[] }> {
  const { start, compare } = await scenario.prepare()
  const ran = await scenario.lane.calm(start)
  return { handle: ran.handle, problems: problemsOf(ran, await compare(ran, 'never')) }
}

/** The worker on the old primary's host hung when the plan was made: that a person is asked then is the promise, not a problem. */
const RIGHTLY_ASKED = /^fenceOldPrimary: FENCE_UNPROVEN: The host of \w+ does not answer/

function problemsOf({ outcome, parked, left }: Crashed, found: string[], mayFail?: RegExp): string[] {
  const why = 'error' in outcome ? causesOf(outcome.error) : undefined
  const failed = why === undefined || mayFail?.test(why) ? [] : [`the run failed: ${why}`]
  const waited = parked.filter((why) => !RIGHTLY_ASKED.test(why)).map((why) => `the run waited for an operator: ${why}`)
  return [...failed, ...waited, ...left, ...found]
}

/** Names that no run had before. */
export function freshId(name: string): string {
  return `${name.replaceAll(' ', '-')}-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 6)}`
}
