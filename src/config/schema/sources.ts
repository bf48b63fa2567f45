/** What is backed up: a source has the shape that its driver gives it. */
import { z } from 'zod'
import { DRIVERS } from '../../drivers/registry.ts'

type SourceShape = (typeof DRIVERS)[keyof typeof DRIVERS]['config']
const shapes = Object.values(DRIVERS).map(({ config }) => config) as unknown as readonly [SourceShape, ...SourceShape[]]

export const sourceSchema = z.discriminatedUnion('driver', shapes)
export type SourceConfig = z.infer<typeof sourceSchema>
/** Sources on a PostgreSQL server, which may be one of a pair. */
export type PostgresSourceConfig = Extract<SourceConfig, { binDir: string; connection: string }>
export const isPostgres = (source: SourceConfig): source is PostgresSourceConfig => 'binDir' in source && 'connection' in source
export { logicalSource, type LogicalSourceConfig } from '../../drivers/postgres-logical/config.ts'
export { physicalSource, type PhysicalSourceConfig } from '../../drivers/postgres-physical/config.ts'
