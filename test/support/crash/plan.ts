/** Where a worker is to crash, handed to it by an environment variable. */

/**
 * `before`: SIGKILL before the activity's effect. `after`: SIGKILL after it, before the completion is reported.
 * `freeze`: SIGSTOP before the effect, so that it happens late. `freeze-after`: SIGSTOP after it, so that only the
 * completion is late. `freeze-late`: as `freeze`, and thawed only once the run has ended. `never`: nothing happens; the run is one to compare with.
 */
export const CRASH_TIMES = ['before', 'after', 'freeze', 'freeze-after', 'freeze-late', 'never'] as const
export type CrashTime = (typeof CRASH_TIMES)[number]

export interface CrashPlan {
  /** Activity type, or `type#activityId` for one of several. */
  activity: string
  when: CrashTime
  /** Written by the worker that crashes; where it stands already, nobody crashes. */
  marker: string
}

export const CRASH_ENV = 'HOLDFAST_CRASH'

/** `<activity>:<when>:<marker file>`. */
export function encodePlan({ activity, when, marker }: CrashPlan): string {
  return `${activity}:${when}:${marker}`
}

export function decodePlan(text: string): CrashPlan {
  const [activity, when, ...rest] = text.split(':')
  const marker = rest.join(':')
  if (!activity || !marker || !CRASH_TIMES.includes(when as CrashTime))
    throw new Error(`${CRASH_ENV} is <activity>:<${CRASH_TIMES.join('|')}>:<file>, not ${text}`)
  return { activity, when: when as CrashTime, marker }
}

/** Files beside the marker, each written once: what the harness waits for. */
export const filesOf = (marker: string) => ({
  /** The worker crashes now. */
  crashed: marker,
  /** The same activity has begun again, in any worker. */
  again: `${marker}.again`,
  /** The frozen one was thawed and has ended its activity. */
  late: `${marker}.late`,
})
