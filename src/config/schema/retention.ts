/** How long points stay: rules for all kinds, for one kind, and for one repository; and those that a schedule states itself. */
import { z } from 'zod'
import { POINT_KINDS } from '../../core/ids.ts'
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

const rules = { keepLast: z.number().int().positive().default(7).describe('so many of the newest points'), keepWithin, ...spans, kinds }

/** Without its default: give it `.prefault({})`. */
export const retention = z.strictObject({
  ...rules,
  repositories: z.record(name, z.strictObject(rules)).default({}).describe('in these repositories all of this instead, schedules included'),
})
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
