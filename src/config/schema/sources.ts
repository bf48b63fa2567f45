/** What is backed up, when, for how long, and how it is proved. */
import { z } from 'zod'
import { binDir, duration, name, osUser, secret, taskHost } from './values.ts'

const schedule = z.strictObject({
  calendar: z.string().describe('days and time, like "Sun 02:00", "Mon-Sat 02:00", "daily 03:30", "hourly"'),
  timezone: z.string().default('UTC').describe('of the calendar, like Europe/Berlin'),
})

const question = z.string().describe('asked of the restored database: one boolean, true when well')
const assertion = z.union([
  z.strictObject({ sql: question }),
  z.strictObject({ name: z.string().describe('shown in the proof'), sql: question }),
])
const verify = z.strictObject({
  read: z.string().optional().describe('calendar of proofs of depth read'),
  restore: z.string().optional().describe('calendar of proofs of depth restore'),
  assertions: z.array(assertion).default([]).describe('yours, beside the comparison with the source'),
})

const newestOf = (span: string) => z.number().int().nonnegative().default(0).describe(`the newest point of each of so many ${span}`)
const retention = z.strictObject({
  keepLast: z.number().int().positive().default(7).describe('so many of the newest points'),
  keepWithin: duration.optional().describe('every point younger than this'),
  daily: newestOf('days'),
  weekly: newestOf('weeks, which begin on Monday'),
  monthly: newestOf('months'),
  yearly: newestOf('years'),
})

/** Beside what every source has: retention, and proofs. */
const schedulesOf = <const K extends string>(...kinds: K[]) =>
  z.partialRecord(z.enum([...kinds, 'retention', 'verify']), schedule).default({})

const common = {
  connection: secret.describe('libpq connection string of a role that may read everything'),
  group: name.optional().describe('the failover group whose primary this source follows'),
  repository: name.describe('where its points go'),
  retention: retention.default({ keepLast: 7, daily: 0, weekly: 0, monthly: 0, yearly: 0 }),
  verify: verify.default({ assertions: [] }),
  freshness: duration.optional().describe('status and its exit code complain where the newest point is older'),
  binDir,
  osUser,
  scratchDir: z.string().optional().describe('where quarantined scratch instances live; the system temporary folder by default'),
}

export const logicalSource = z.strictObject({
  driver: z.literal('postgres-logical'),
  ...common,
  schedules: schedulesOf('logical'),
  schemas: z.array(z.string()).optional().describe('only these, as patterns of pg_dump'),
  tables: z.array(z.string()).optional().describe('only these, as patterns of pg_dump'),
  excludeTables: z.array(z.string()).optional().describe('without these, as patterns of pg_dump'),
  parts: z
    .array(z.enum(['database', 'globals', 'schema', 'data', 'plain']))
    .default(['database', 'globals'])
    .describe('all in one exported snapshot'),
  format: z.enum(['custom', 'directory']).default('custom').describe('directory dumps in parallel, for large databases'),
  jobs: z.number().int().min(1).max(32).default(2).describe('of a directory dump, and of every restore'),
  compressionLevel: z.number().int().min(1).max(19).default(3).describe('of zstd'),
})

export const physicalSource = z.strictObject({
  driver: z.literal('postgres-physical'),
  ...common,
  schedules: schedulesOf('full', 'incremental', 'differential', 'walSwitch'),
  host: taskHost,
  engine: z.enum(['pgbackrest']).default('pgbackrest'),
  stanza: name.describe('of pgBackRest'),
  pgbackrestConfig: z.string().describe('the pgBackRest configuration file on that host'),
  objectives: z.strictObject({ rpo: duration.describe('an archive_timeout that allows to lose more is warned of') }).optional(),
  pitrWindow: duration.default('7d').describe('every moment of it stays recoverable: retention keeps the points that it needs'),
  barrier: z.boolean().default(false).describe('a short SHARE lock that lets a proof compare contents under load'),
})

export const sourceSchema = z.discriminatedUnion('driver', [logicalSource, physicalSource])
export type SourceConfig = z.infer<typeof sourceSchema>
export type LogicalSourceConfig = z.infer<typeof logicalSource>
export type PhysicalSourceConfig = z.infer<typeof physicalSource>
