/** How long points stay: rules for all kinds, for one kind, and for one repository; and those that a schedule states itself. */
import { z } from 'zod'
import { POINT_KINDS, type PointKind } from '../../core/ids.ts'
import { duration, name } from './values.ts'

const newestOf = (span: string) => z.number().int().nonnegative().default(0).describe(`the newest point of each of so many ${span}`)
const keepWithin = duration.optional().describe('every point younger than this')
const spans = {
  daily: newestOf('days'),
  weekly: newestOf('weeks, which begin on Monday'),
  monthly: newestOf('months'),
  yearly: newestOf('years'),
}

const rulesOfKind = z
  .strictObject({ keepLast: z.number().int().nonnegative().default(0).describe('so many of the newest points'), keepWithin, ...spans })
  .refine(
    ({ keepWithin: within, ...counts }) => within !== undefined || Object.values(counts).some((count) => count > 0),
    'keeps no point: give at least one of keepLast, keepWithin, daily, weekly, monthly, yearly',
  )

// What a restore replaced has a time of its own: see SAFETY_COPY_DAYS.
const kinds = z
  .partialRecord(z.enum(POINT_KINDS).exclude(['pre_restore']), rulesOfKind)
  .default({})
  .describe('points of these kinds are counted by themselves, under these rules alone')

/** Where nothing is said; kept apart from what is said, so that a report can tell the two. */
export const KEEP_LAST = 7
/** The same of points of these kinds, for drivers whose points are many. */
const KEEP_LAST_OF_KINDS: Readonly<Record<string, Readonly<Partial<Record<PointKind, number>>>>> = {
  rocksdb: { scheduled: 7, incremental: 10 },
  bucket: { scheduled: 7, incremental: 30 },
}

const keepLast = z
  .number()
  .int()
  .positive()
  .optional()
  .meta({ default: KEEP_LAST })
  .describe('so many of the newest points, beside what other rules keep; reports say where that is by default')
const rules = { keepLast, keepWithin, ...spans, kinds }

/** Without its default: give it `.prefault({})`. */
export const retention = z.strictObject({
  ...rules,
  repositories: z.record(name, z.strictObject(rules)).default({}).describe('in these repositories all of this instead, schedules included'),
})

/** What a source of the driver has where it says nothing of retention. */
export function usualRetention(driver: string) {
  const usual = Object.entries(KEEP_LAST_OF_KINDS[driver] ?? {})
  return { kinds: Object.fromEntries(usual.map(([kind, count]) => [kind, { keepLast: count }])) }
}
export type RetentionConfig = z.infer<typeof retention>

const count = (span: string) => z.number().int().positive().optional().describe(`of these points the newest of each of so many ${span}`)

/** The same in the words of a schedule, for the points that it makes: with any of them, only they hold for that kind. */
export const scheduleRules = {
  retention: duration
    .optional()
    .describe('how long its points stay; with this or one of the next five, no general rule holds for their kind'),
  keepLast: z.number().int().positive().optional().describe('so many of its newest points'),
  daily: count('days'),
  weekly: count('weeks'),
  monthly: count('months'),
  yearly: count('years'),
}
export const SCHEDULE_RULES = Object.keys(scheduleRules) as (keyof typeof scheduleRules)[]
