/** Dumps of the whole event store that were taken without Holdfast, as points that are restored whole. */
import type { Adoption } from '../driver.ts'
import { createAdoption } from '../postgres-logical/adopt.ts'
import { type EventsSourceConfig, logicalOf } from './config.ts'

export function createEventsAdoption(config: EventsSourceConfig, connection: string): Adoption {
  const { table, outbox, watermarks } = config.events
  return createAdoption(logicalOf(config), connection, {
    tables: [table, outbox.table, watermarks.table],
    warnings: ['up to which event its log is settled was not recorded: it comes back whole, not up to an event and not lens by lens'],
  })
}
