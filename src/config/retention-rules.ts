/** The rules of retention that hold for a source in one repository, wherever its configuration states them. */
import { kindOfSchedule } from '../core/ids.ts'
import type { RetentionRules } from '../core/retention.ts'
import type { SourceConfig } from './schema.ts'

type Stated = Pick<SourceConfig, 'retention' | 'schedules'>

export function retentionRules({ retention, schedules, pitrWindow }: Stated & { pitrWindow?: string }, repository: string): RetentionRules {
  const { repositories, kinds, ...general } = retention
  const rules = repositories[repository] ?? { ...general, kinds: { ...kinds, ...kindsOf(schedules) } }
  return { ...rules, ...(pitrWindow !== undefined && { pitrWindow }) }
}

/** What each schedule says of the points that it makes; a configuration where `kinds` says it too is refused. */
function kindsOf(schedules: Stated['schedules']): RetentionRules['kinds'] {
  const own = Object.entries(schedules).flatMap(([name, { retention: keepWithin, keepLast, daily, weekly, monthly, yearly }]) => {
    const kind = kindOfSchedule(name)
    const rules = { keepWithin, keepLast, daily, weekly, monthly, yearly }
    return kind && Object.values(rules).some((rule) => rule !== undefined) ? [[kind, rules]] : []
  })
  return Object.fromEntries(own)
}
