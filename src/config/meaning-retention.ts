/** What the shape of retention cannot say: rules where no points are made, and two places that say different things of one kind. */
import { kindOfSchedule } from '../core/ids.ts'
import type { Path } from './problem.ts'
import { pathText } from './problem.ts'
import { SCHEDULE_RULES } from './schema/retention.ts'

type Fields = Record<string, unknown>

/** `schedules` and `kinds` as they were written, by their names; `at` is the source. */
export function checkScheduleRules(
  schedules: readonly [string, Fields][],
  kinds: Fields,
  at: (...rest: Path) => Path,
  report: (path: Path, message: string) => void,
): void {
  for (const [name, schedule] of schedules) {
    const kind = kindOfSchedule(name)
    for (const rule of SCHEDULE_RULES.filter((key) => Object.hasOwn(schedule, key))) {
      const place = at('schedules', name, rule)
      if (kind === undefined)
        report(place, `this schedule makes no points${name === 'walSwitch' ? ': pitrWindow of the source says how long WAL stays' : ''}`)
      else if (Object.hasOwn(kinds, kind))
        report(place, `${pathText(at('retention', 'kinds', kind))} speaks of these points as well: say in one place how long they stay`)
    }
  }
}
