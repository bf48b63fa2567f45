/** What a source of this driver is configured with. */
import { z } from 'zod'
import { schedulesOf } from '../../config/schema/every-source.ts'
import { postgresSource } from '../postgres-common/config.ts'

export const logicalSource = z.strictObject({
  driver: z.literal('postgres-logical'),
  ...postgresSource,
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
export type LogicalSourceConfig = z.infer<typeof logicalSource>
