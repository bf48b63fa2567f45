/** What a source of this driver is configured with. */
import { z } from 'zod'
import { schedulesOf } from '../../config/schema/every-source.ts'
import { command, duration, name, taskHost } from '../../config/schema/values.ts'
import { postgresSource } from '../postgres-common/config.ts'

export const physicalSource = z.strictObject({
  driver: z.literal('postgres-physical'),
  ...postgresSource,
  schedules: schedulesOf('full', 'incremental', 'differential', 'walSwitch'),
  host: taskHost,
  engine: z.enum(['pgbackrest']).default('pgbackrest'),
  stanza: name.describe('of pgBackRest'),
  pgbackrestConfig: z.string().describe('the pgBackRest configuration file on that host'),
  objectives: z.strictObject({ rpo: duration.describe('an archive_timeout that allows to lose more is warned of') }).optional(),
  pitrWindow: duration
    .default('7d')
    .describe('every moment of it stays recoverable: retention keeps the points and the WAL for that, and takes older WAL away'),
  dataDir: z
    .string()
    .regex(/^\/.*[^/]$/, 'a full path, like /var/lib/postgresql/15/main')
    .optional()
    .describe('the data directory on that host: what a restore over the live cluster replaces, and what it fills on a new one'),
  service: z
    .strictObject({
      stop: command.describe('ends the server, and does nothing where it is not running'),
      start: command.describe('starts it, and does nothing where it is running'),
    })
    .optional()
    .describe('called around the moment in which a restore replaces the data directory; without it somebody else stops and starts it'),
  barrier: z.boolean().default(false).describe('a short SHARE lock that lets a proof compare contents under load'),
})
export type PhysicalSourceConfig = z.infer<typeof physicalSource>
