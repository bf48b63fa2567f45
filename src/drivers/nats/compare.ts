/** What was captured against what came back: one assertion for each stream, each consumer, each content. */
import type { Assertion, Inventory } from '../../core/records.ts'
import { until } from '../../process/wait.ts'
import type { DriverContext } from '../driver.ts'
import type { ConsumerInfo, StreamInfo, StreamState } from './answers.ts'
import { averageOf, contentOf } from './content.ts'
import { digestOf } from './digests.ts'
import { configDigest, consumerDigest, type Facts, firstOf, subjectsOf } from './facts.ts'
import { findStream, type JetStream, listConsumers, streamInfo } from './jetstream.ts'
import { isIn, type Range } from './ranges.ts'

export interface Comparison {
  js: JetStream
  context: DriverContext
  inventory: Inventory
  name: string
  compared?: Range[] | undefined
  /** Consumers that were made again, which begin at their ack floor. */
  added: readonly string[]
  /** Fields of the configuration that are otherwise on purpose. */
  changed?: readonly string[]
  depth: 'restore' | 'full'
  where: 'scratch' | 'live'
  /** A mirror that already fetches what its origin has. */
  growing?: boolean
}

const same = (name: string, expected: string, actual: string): Assertion => ({ name, ok: expected === actual, expected, actual })

export async function compareStream(comparison: Comparison): Promise<Assertion[]> {
  const { js, inventory, name, depth } = comparison
  const facts = inventory[`stream ${name}`] ?? {}
  const found = await findStream(js, name)
  if (!found) return [{ name: `stream ${name}`, ok: false, expected: `${facts['messages']} messages`, actual: 'missing' }]
  const info = await streamInfo(js, name, { deleted_details: facts['deletedDigest'] !== undefined })
  return [
    await stateAssertion(comparison, facts, info),
    same(`config ${name}`, `${facts['config']}${apart(comparison)}`, `${configDigest(info.config)}${apart(comparison)}`),
    ...(await consumerAssertions(comparison)),
    ...(depth === 'full' && facts['content'] !== undefined ? [await contentAssertion(comparison, facts, info.state)] : []),
  ]
}

const apart = ({ changed = [] }: Comparison): string => (changed.length > 0 ? `, apart from ${changed.join(', ')}` : '')

interface Bounds {
  what: string
  least: number
  most: number
  actual: number
}

async function stateAssertion({ js, name, growing }: Comparison, facts: Facts, { state }: StreamInfo): Promise<Assertion> {
  const number = (fact: string, otherwise: string) => Number(facts[fact] ?? facts[otherwise])
  const most = (bound: number) => (growing ? Number.POSITIVE_INFINITY : bound)
  const bounds: Bounds[] = [
    {
      what: 'messages',
      least: number('messagesAtLeast', 'messages'),
      most: most(number('messagesUpTo', 'messages')),
      actual: state.messages,
    },
    { what: 'first', least: Number(facts['firstSeq']), most: number('firstSeqUpTo', 'firstSeq'), actual: firstOf(state) },
    { what: 'last', least: Number(facts['lastSeq']), most: most(number('lastSeqUpTo', 'lastSeq')), actual: state.last_seq },
  ]
  const exactly = (what: string, actual: string | number) =>
    facts[what] === undefined || growing ? [] : [{ what, expected: facts[what], actual }]
  const subjects = facts['subjectsDigest'] === undefined ? undefined : await subjectsOf(js, name)
  const equal = [
    ...exactly('bytes', state.bytes),
    ...exactly('deleted', state.num_deleted ?? 0),
    ...exactly('deletedDigest', digestOf(state.deleted ?? [])),
    ...exactly('subjects', subjects?.count ?? 0),
    ...exactly('subjectsDigest', subjects?.digest ?? ''),
  ]
  return {
    name: `stream ${name}`,
    ok: bounds.every((one) => one.actual >= one.least && one.actual <= one.most) && equal.every((one) => one.expected === one.actual),
    expected: [
      ...bounds.map(({ what, least, most: upTo }) => `${what} ${words(least, upTo)}`),
      ...equal.map((one) => `${one.what} ${one.expected}`),
    ].join(', '),
    actual: [...bounds, ...equal].map(({ what, actual }) => `${what} ${actual}`).join(', '),
  }
}

const words = (least: number, most: number): string =>
  least === most ? `${least}` : most === Number.POSITIVE_INFINITY ? `${least} or more` : `${least} to ${most}`

async function contentAssertion({ js, context, name, compared }: Comparison, facts: Facts, state: StreamState): Promise<Assertion> {
  const content = await contentOf(js, {
    stream: name,
    first: Number(facts['firstSeq']),
    last: Number(facts['lastSeq']),
    averageBytes: averageOf(state),
    ...(compared && { only: (seq: number) => isIn(compared, seq) }),
    signal: context.signal,
    onMessages: (parts) => context.onProgress({ phase: `content of ${name}`, parts }),
  })
  return same(
    `content ${name}`,
    `${facts['contentMessages']} messages, digest ${facts['content']}`,
    `${content.messages} messages, digest ${content.digest}`,
  )
}

/** In a cluster a consumer says nothing of itself for a moment after a restore. */
const SETTLED_MS = { scratch: 1_000, live: 10_000 }

async function consumerAssertions({ js, context, inventory, name, added, where }: Comparison): Promise<Assertion[]> {
  const prefix = `consumer ${name}/`
  const expected = Object.entries(inventory).filter(([key]) => key.startsWith(prefix))
  const look = async () => {
    const found = new Map((await listConsumers(js, name)).map((consumer) => [consumer.name, consumer]))
    return expected.map(([key, facts]) => {
      const consumer = key.slice(prefix.length)
      return consumerAssertion(key, facts, found.get(consumer), added.includes(consumer))
    })
  }
  let latest: Assertion[] = []
  const settled = async () => {
    latest = await look()
    return latest.every(({ ok }) => ok)
  }
  await until(settled, { timeoutMs: SETTLED_MS[where], everyMs: 200, what: `the consumers of ${name}`, signal: context.signal }).catch(
    (error: unknown) => {
      if (context.signal.aborted) throw error
    },
  )
  return latest
}

function consumerAssertion(name: string, facts: Facts, found: ConsumerInfo | undefined, added: boolean): Assertion {
  const recorded = Number(facts['ackFloor'])
  const floorUpTo = Number(facts['ackFloorUpTo'] ?? recorded)
  // One that was made again stands where it begins; a cluster says nothing of its ack floor until there is one.
  const [floor, delivered] = added ? [0, recorded] : [recorded, Number(facts['delivered'])]
  const deliveredUpTo = Number(facts['deliveredUpTo'] ?? facts['delivered'])
  const expected = `acknowledged to ${words(floor, floorUpTo)}, delivered to ${words(delivered, deliveredUpTo)}, config ${facts['config']}`
  if (!found) return { name, ok: false, expected, actual: 'missing' }
  const at = { floor: found.ack_floor.stream_seq, delivered: found.delivered.stream_seq, config: consumerDigest(found.config) }
  const ok =
    at.floor >= floor &&
    at.floor <= floorUpTo &&
    at.delivered >= delivered &&
    at.delivered <= deliveredUpTo &&
    at.config === facts['config']
  const again = added ? ', made again from its record: the snapshot is without it' : ''
  return { name, ok, expected, actual: `acknowledged to ${at.floor}, delivered to ${at.delivered}, config ${at.config}${again}` }
}
