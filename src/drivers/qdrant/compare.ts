/** A collection that was restored beside what its point says of it: a result for each question, whatever is wrong. */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Assertion, Inventory } from '../../core/records.ts'
import type { Point } from './canonical.ts'
import { collectionInfo, exactCount } from './collections.ts'
import { entryOf, settingsOf } from './facts.ts'
import { compareSample } from './sample.ts'
import { contentOf } from './scroll.ts'
import type { Server } from './server.ts'

export interface Comparison {
  /** The collection of the point, and the name under which it is now. */
  collection: string
  name: string
  expected: Inventory[string]
  sample: readonly Point[]
  depth: 'restore' | 'full'
  /** The server has the version that the point was taken from: then vectors and settings are the same to the last digit. */
  sameVersion: boolean
  batchSize: number
  onPoints(points: number): void
}

export async function compareCollection(server: Server, comparison: Comparison): Promise<Assertion[]> {
  const { collection } = comparison
  const asked = [
    { name: entryOf(collection), ask: () => factsAssertion(server, comparison) },
    { name: `sample of ${collection}`, ask: () => sampleAssertion(server, comparison) },
    { name: `content of ${collection}`, ask: () => contentAssertion(server, comparison) },
    { name: `state of ${collection}`, ask: () => stateAssertion(server, comparison) },
  ]
  const results: Assertion[] = []
  for (const { name, ask } of asked) {
    const found = await ask().catch((error: unknown): Found => {
      if (server.signal?.aborted || !isDamage(error)) throw error
      return { expected: 'readable', actual: messageOf(error) }
    })
    if (found) results.push({ name, ok: found.expected === found.actual, ...found })
  }
  return results
}

/** A server that has gone or is busy proves nothing; one that cannot read what it has does. */
function isDamage(error: unknown): boolean {
  const status = error instanceof HoldfastError ? error.details['status'] : undefined
  return status === 500 || status === 400 || status === 404
}

type Found = { expected: string; actual: string; ok?: boolean } | undefined

async function factsAssertion(server: Server, { name, expected, sameVersion }: Comparison): Promise<Found> {
  const settings = settingsOf(await collectionInfo(server, name))
  const points = await exactCount(server, name)
  const { 'points from': from, 'points to': to } = expected
  const range = typeof from === 'number' && typeof to === 'number' ? { from, to } : undefined
  const fields = ['shape', 'schema', ...(sameVersion ? ['config'] : [])] as (keyof typeof settings)[]
  const words = (count: string, facts: Record<string, unknown>) =>
    [`points ${count}`, ...fields.map((field) => `${field} ${String(facts[field]).slice(0, 16)}`)].join(', ')
  const fits = range && points >= range.from && points <= range.to
  const wanted = range ? (fits ? String(points) : `${range.from} to ${range.to}`) : String(expected['points'])
  return { expected: words(wanted, expected), actual: words(String(points), settings) }
}

async function sampleAssertion(server: Server, { name, sample }: Comparison): Promise<Found> {
  if (sample.length === 0) return undefined
  const { equal, problems } = await compareSample(server, name, sample)
  return { expected: `${sample.length} points equal`, actual: `${equal} points equal${problems.map((one) => `; ${one}`).join('')}` }
}

/** Every point with its payload; every vector too, but where another version may have rounded it: that is what the sample is for. */
async function contentAssertion(server: Server, { name, expected, depth, sameVersion, batchSize, onPoints }: Comparison): Promise<Found> {
  if (depth !== 'full' || expected['payloads'] === undefined) return undefined
  const actual = await contentOf(server, { collection: name, batchSize, onPoints })
  const words = ({ payloads, vectors }: Record<string, unknown>) => `payloads ${payloads}${sameVersion ? `, vectors ${vectors}` : ''}`
  return { expected: words(expected), actual: words({ ...actual }) }
}

/** What Qdrant says itself. */
async function stateAssertion(server: Server, { name }: Comparison): Promise<Found> {
  const { status, optimizer_status: optimizer } = await collectionInfo(server, name)
  const actual = `${status}, optimizer ${typeof optimizer === 'string' ? optimizer : messageOf(optimizer.error)}`
  return { ok: status !== 'red' && typeof optimizer === 'string', expected: 'green, optimizer ok', actual }
}
