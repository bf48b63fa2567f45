/** What a source of this driver is configured with: an event log, its outbox and watermarks, and the lenses that are projected from it. */
import { z } from 'zod'
import { assertionName, schedulesOf, verifyWith } from '../../config/schema/every-source.ts'
import { command, duration, name } from '../../config/schema/values.ts'
import type { LogicalSourceConfig } from '../postgres-logical/config.ts'
import { postgresSource } from '../postgres-common/config.ts'

const WORD = '[a-z_][a-z0-9_]*'
const word = z.string().regex(new RegExp(`^${WORD}$`), 'a name is small letters, digits and "_", like global_seq')
const table = z
  .string()
  .regex(new RegExp(`^${WORD}\\.${WORD}$`), 'a table is named with its schema, in small letters, like event_core.event_log')

const events = z.strictObject({
  table: table.default('event_core.event_log'),
  sequence: word.default('global_seq').describe('its column of whole numbers that order the events, given by a sequence'),
  outbox: z
    .strictObject({
      table: table.default('event_core.outbox'),
      sequence: word.default('global_seq').describe('the event that a row is about'),
    })
    .prefault({}),
  watermarks: z
    .strictObject({
      table: table.default('event_core.projector_watermarks'),
      projector: word.default('projector_name').describe('whose it is'),
      sequence: word.default('last_processed_seq').describe('the last event that it has seen'),
    })
    .prefault({}),
})
export type EventsConfig = z.infer<typeof events>

const lens = z.strictObject({
  projector: z.string().min(1).describe('its name in the watermarks'),
  projection: name.optional().describe('of projections: how it is built anew, for the commands that a restore shows'),
})

export const PARTS = ['database', 'globals', 'plain', 'schema', 'eventlog', 'watermarks', 'lenses'] as const

export const eventsSource = z.strictObject({
  driver: z.literal('postgres-events'),
  ...postgresSource,
  schedules: schedulesOf('scheduled'),
  verify: verifyWith(
    z.union([
      z.strictObject({ name: assertionName, sql: z.string().describe('asked of the restored database: one boolean, true when well') }),
      z.strictObject({
        name: assertionName,
        run: command.describe('exits 0 when well; PG* and DATABASE_URL lead to the restored database'),
      }),
    ]),
  ),
  events: events.prefault({}),
  lenses: z
    .record(word, lens)
    .default(Object.fromEntries(['rel', 'sem', 'graph', 'emo'].map((projector) => [`lens_${projector}`, { projector }])))
    .describe('schemas that projectors fill; each an optional part, whose failure is a warning'),
  parts: z
    .array(z.enum(PARTS))
    .default([...PARTS])
    .describe('all in one exported snapshot'),
  baseline: z
    .strictObject({
      run: command.default(['make', 'baseline']),
      in: z.string().min(1).describe('the folder that it runs in'),
      timeout: duration.default('1h'),
    })
    .optional()
    .describe(
      'whether a replay gives the same again: exits 0 then. Asked of every restored copy, and of the live database after a restore',
    ),
  jobs: z.number().int().min(1).max(32).default(2).describe('of every restore'),
  compressionLevel: z.number().int().min(1).max(19).default(3).describe('of zstd'),
})
export type EventsSourceConfig = z.infer<typeof eventsSource>

/** The same database as a source of postgres-logical, which does what is not about events. */
export function logicalOf(config: EventsSourceConfig): LogicalSourceConfig {
  const { events: _events, lenses: _lenses, baseline: _baseline, parts, verify, ...shared } = config
  const kept = ['database', 'globals', 'plain', 'schema'] as const
  return {
    ...shared,
    driver: 'postgres-logical',
    schedules: {},
    verify: { ...verify, assertions: [] },
    parts: kept.filter((part) => parts.includes(part)),
    format: 'custom',
  }
}
