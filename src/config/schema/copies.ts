/** Copies of a source's points in other repositories: which of them, when, and how they are looked at there. */
import { z } from 'zod'
import { POINT_KINDS } from '../../core/ids.ts'
import { name } from './values.ts'

const schedule = z.strictObject({
  calendar: z.string().describe('days and time, like "Sun 04:00"'),
  timezone: z.string().default('UTC').describe('of the calendar, like Europe/Berlin'),
})

const copy = z.union([
  name,
  z.strictObject({
    to: name.describe('the repository that the copies go to'),
    kinds: z.array(z.enum(POINT_KINDS)).min(1).optional().describe('points of these kinds only; all but pre_restore by default'),
    newest: z.number().int().positive().optional().describe('only so many of the newest of these at each run'),
    schedule: schedule.optional().describe('when; right after each backup where there is none'),
    log: z
      .boolean()
      .default(true)
      .describe('with the log that the source ships with wal-push, from the oldest of its points there on, so that points in time work'),
    verify: z.enum(['list', 'read']).default('read').describe('depth of the proof that each copy gets there'),
  }),
])

export const copies = z
  .array(copy)
  .default([])
  .describe('repositories that get the same points, encrypted as they are; how long they stay there: retention.repositories')
