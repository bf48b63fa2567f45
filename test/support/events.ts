/** What tests of event stores share. */
import { POSTGRES_BIN } from '../../scripts/toolbox/postgres.ts'
import { withClient } from '../../src/drivers/postgres-common/connect.ts'
import { eventsSource, type EventsSourceConfig } from '../../src/drivers/postgres-events/config.ts'

export const eventsConfig = (more: object = {}): EventsSourceConfig =>
  eventsSource.parse({ driver: 'postgres-events', connection: '${env:UNUSED}', repository: 'hot', binDir: POSTGRES_BIN, ...more })

export async function askSql(connection: string, sql: string): Promise<Record<string, unknown>[]> {
  return withClient(connection, {}, async (client) => {
    const result = (await client.query(sql)) as unknown as { rows: Record<string, unknown>[] } | { rows: Record<string, unknown>[] }[]
    return (Array.isArray(result) ? result.at(-1) : result)?.rows ?? []
  })
}
