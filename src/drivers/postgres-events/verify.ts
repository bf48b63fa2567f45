/** Every assertion of a proof: those of the database, and what makes it an event store that can be replayed. */
import { messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import type { DriverContext, Target, UserAssertion } from '../driver.ts'
import { type Client, withClient } from '../postgres-common/connect.ts'
import { verify as verifyLogical, type VerifyOptions } from '../postgres-logical/verify.ts'
import { asAssertion, baselineQuestion } from './command.ts'
import { type EventsSourceConfig, logicalOf } from './config.ts'
import { countTo, recordedLog, sizeOf } from './log.ts'
import { quoted } from './names.ts'

export async function verify(
  config: EventsSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  target: Target,
  { depth, assertions }: VerifyOptions,
): Promise<Assertion[]> {
  const questions = assertions.filter((one) => 'sql' in one)
  const whole = await verifyLogical(logicalOf(config), context, manifest, target, { depth, assertions: questions })
  if (whole.length === 1) return whole
  const own = await withClient(target.connection, {}, (client) => eventAssertions(client, config, manifest)).catch(
    (error: unknown): Assertion[] => [{ name: 'events', ok: false, expected: 'readable', actual: messageOf(error) }],
  )
  return [...whole, ...own, ...(await commandAssertions(config, context, target, assertions))]
}

async function commandAssertions(
  { baseline }: EventsSourceConfig,
  { signal, onProgress }: DriverContext,
  { connection }: Target,
  assertions: readonly UserAssertion[],
): Promise<Assertion[]> {
  const results: Assertion[] = []
  for (const { name, run } of assertions) {
    if (!Array.isArray(run)) continue
    onProgress({ phase: name })
    results.push(await asAssertion(name, { run: run.map(String) }, connection, signal))
  }
  if (baseline) {
    onProgress({ phase: 'baseline' })
    results.push(await asAssertion('baseline', baselineQuestion(baseline), connection, signal))
  }
  return results
}

async function eventAssertions(client: Client, config: EventsSourceConfig, manifest: Manifest): Promise<Assertion[]> {
  const { events } = config
  const { count, max } = await sizeOf(client, events)
  if (manifest.adopted) return [notCompared(`${count} events up to ${max}`), ...(await coherence(client, config, max))]
  const log = recordedLog(manifest)
  const equal = (name: string, expected: string, actual: string): Assertion => ({ name, ok: expected === actual, expected, actual })
  const words = (number: number, to: bigint) => `${number} events up to ${to}`
  return [
    equal('event log', words(log.events, log.max), words(count, max)),
    equal('settled events', words(log.settledEvents, log.settled), words(await countTo(client, events, log.settled), log.settled)),
    ...(await coherence(client, config, max)),
  ]
}

const notCompared = (actual: string): Assertion => ({
  name: 'event log (not compared: not recorded when it was taken)',
  ok: true,
  expected: 'can be read',
  actual,
})

/** What has to be true of any event store, at whichever number it ends. */
export async function coherence(client: Client, { events }: EventsSourceConfig, max: bigint): Promise<Assertion[]> {
  const { outbox, watermarks } = events
  const none = async (name: string, expected: string, sql: string, values: string[] = []): Promise<Assertion> => {
    const { rows } = await client.query<{ one: string }>(`${sql} limit 5`, values)
    return { name, ok: rows.length === 0, expected, actual: rows.length === 0 ? expected : rows.map(({ one }) => one).join(', ') }
  }
  return [
    await none(
      'watermarks',
      'none beyond the log',
      `select format('%s at %s', ${quoted(watermarks.projector)}, ${quoted(watermarks.sequence)}) as one from ${quoted(watermarks.table)} where ${quoted(watermarks.sequence)} > $1`,
      [String(max)],
    ),
    await none(
      'outbox',
      'every row has its event',
      `select o.${quoted(outbox.sequence)}::text as one from ${quoted(outbox.table)} o
       where not exists (select from ${quoted(events.table)} e where e.${quoted(events.sequence)} = o.${quoted(outbox.sequence)})`,
    ),
  ]
}
