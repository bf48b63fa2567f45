/** What every source on PostgreSQL is configured with. */
import { z } from 'zod'
import { assertionName, everySource, verifyWith } from '../../config/schema/every-source.ts'
import { binDir, name, osUser, secret } from '../../config/schema/values.ts'

export const postgresSource = {
  ...everySource,
  connection: secret.describe('libpq connection string of a role that may read everything'),
  temporalPersistence: z
    .boolean()
    .default(false)
    .describe('the database of the Temporal that runs Holdfast: no run on it restores over it'),
  group: name.optional().describe('the failover group whose primary this source follows'),
  verify: verifyWith(
    z.strictObject({ name: assertionName, sql: z.string().describe('asked of the restored database: one boolean, true when well') }),
  ),
  binDir,
  osUser,
}
