/** What the configuration of every source has, whatever its driver: where its points go, when, for how long, how they are proved. */
import { z } from 'zod'
import { copies } from './copies.ts'
import { windowsSchema } from './limits.ts'
import { retention, scheduleRules } from './retention.ts'
import { command, duration, name, size, taskHost } from './values.ts'

const schedule = z.strictObject({
  calendar: z.string().describe('days and time, like "Sun 02:00", "Mon-Sat 02:00", "daily 03:30", "hourly"'),
  timezone: z.string().default('UTC').describe('of the calendar, like Europe/Berlin'),
  ...scheduleRules,
})

/** Kinds of points that the driver can make by schedule. Beside what every source has: retention, and proofs. */
export const schedulesOf = <const K extends string>(...kinds: K[]) =>
  z.partialRecord(z.enum([...kinds, 'retention', 'verify']), schedule).default({})

/** Proofs by calendar, and questions of the user's own, in the shape that the driver can ask. Their `name` is shown in the proof. */
export const verifyWith = <A extends z.ZodType>(assertion: A) =>
  z
    .strictObject({
      read: z.string().optional().describe('calendar of proofs of depth read'),
      restore: z.string().optional().describe('calendar of proofs of depth restore'),
      assertions: z.array(assertion).default([]).describe('yours, beside the comparison with the source'),
    })
    .prefault({})

export const assertionName = z.string().optional().describe('shown in the proof')

const migration = z.strictObject({
  run: command.describe('changes the schema; {schemaVersion} becomes the one that was asked for'),
  check: command.optional().describe('ends with 0 where the source is now as it should be'),
})

export const everySource = {
  host: taskHost.optional(),
  repository: name.describe('where its points go'),
  copies,
  retention: retention.prefault({}),
  freshness: duration.optional().describe('status and its exit code complain where the newest point is older'),
  autoVerify: z.boolean().default(false).describe('a proof of depth full right after each backup, where nobody asked for another'),
  sizeLimit: size.optional().describe('stats and its exit code complain where all points together are larger, like 100GB'),
  windows: windowsSchema.optional(),
  applications: z.array(name).default([]).describe('stopped, in this order, while a restore takes the place of the live source'),
  projections: z.array(name).default([]).describe('built anew after such a restore, once the applications are back'),
  migrations: z.record(name, migration).default({}).describe('what `holdfast migrate` may run, on the host of the source; each by a name'),
  scratchDir: z.string().optional().describe('where quarantined scratch instances live; the system temporary folder by default'),
}
