/** The rules of retention that hold for a source in one repository, wherever its configuration states them. */
import { isDeepStrictEqual } from 'node:util'
import { kindOfSchedule } from '../core/ids.ts'
import type { RetentionRules } from '../core/retention.ts'
import type { Config, SourceConfig } from './schema.ts'
import { KEEP_LAST, retention as retentionSchema, usualRetention } from './schema/retention.ts'

type Stated = Pick<SourceConfig, 'driver' | 'retention' | 'schedules'>

export function retentionRules(source: Stated & { pitrWindow?: string }, repository: string): RetentionRules {
  const { retention, schedules, pitrWindow } = source
  const { repositories, kinds, ...general } = retention
  const rules = repositories[repository] ?? { ...general, kinds: { ...marked(kinds, source), ...kindsOf(schedules) } }
  const silent = rules.keepLast === undefined
  return {
    ...rules,
    ...(silent && { keepLast: KEEP_LAST, byDefault: true }),
    ...(pitrWindow !== undefined && { pitrWindow }),
  }
}

/** Each source with the rules that hold for it although nobody asked for them, as they would be written. */
export function rulesByDefault({ sources }: Pick<Config, 'sources'>): Record<string, string[]> {
  const found = Object.entries(sources).map(([name, source]) => {
    const { kinds = {}, ...general } = retentionRules(source, source.repository)
    const all = Object.entries({
      retention: general,
      ...Object.fromEntries(Object.entries(kinds).map(([kind, own]) => [`retention.kinds.${kind}`, own])),
    })
    return [name, all.flatMap(([where, rules]) => (rules.byDefault ? [`${where}.keepLast: ${rules.keepLast}`] : []))] as const
  })
  return Object.fromEntries(found.filter(([, rules]) => rules.length > 0))
}

/** Those of kinds are the driver's own where they are what it has for a source that says nothing. */
function marked(kinds: Stated['retention']['kinds'], { driver, retention }: Stated): RetentionRules['kinds'] {
  if (!isDeepStrictEqual(retention, retentionSchema.parse(usualRetention(driver)))) return kinds
  return Object.fromEntries(Object.entries(kinds).map(([kind, rules]) => [kind, { ...rules, byDefault: true }]))
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
