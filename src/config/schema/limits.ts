/** When a source may be backed up, and how much of the network its repository may take. */
import { z } from 'zod'
import { size } from './values.ts'

const span = z.string().describe('days and times, like "Mon-Fri 22:00-06:00" or "daily 20:00-24:00"')
const timezone = z.string().default('UTC').describe('of these windows, like Europe/Berlin')

export const windowsSchema = z
  .strictObject({
    open: z.array(span).default([]).describe('scheduled backups begin in one of these; at any time where there is none'),
    closed: z.array(z.string()).default([]).describe('dates without any, like "2026-12-24" or "2026-12-24 to 2026-12-26"'),
    finish: z.boolean().default(false).describe('a backup that is not done when its window closes is stopped, and leaves nothing'),
    timezone,
  })
  .describe('what is asked for by hand, before a restore or a migration, is taken at once')
export type WindowsConfig = z.infer<typeof windowsSchema>

export const bandwidthSchema = z.strictObject({
  limit: size.optional().describe('bytes per second of all uploads of one worker, like 50MB; without it, none'),
  at: z
    .array(z.strictObject({ window: span, limit: size }))
    .default([])
    .describe('other limits at their times; the first that fits holds'),
  timezone,
})
export type BandwidthConfig = z.infer<typeof bandwidthSchema>

/** Captures that one worker sends there at once; the others wait. */
export const captures = z.number().int().min(1).max(64).optional().describe('captures that one worker sends there at once; others wait')
