/** Every assertion of a proof, on the collections that a restore has made. */
import { readFile } from 'node:fs/promises'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import type { DriverContext, Target, UserAssertion } from '../driver.ts'
import { canonicalJson, type Point, parseJson } from './canonical.ts'
import { exactCount, versionOf } from './collections.ts'
import { compareCollection } from './compare.ts'
import { entryOf, exportEntryOf } from './facts.ts'
import { sampleIn } from './restore.ts'
import { placeOf, readScratch, type Scratch } from './scratch.ts'
import { pointsById } from './scroll.ts'
import { type Server, withServer } from './server.ts'
import { versionIn } from './versions.ts'
import type { Work } from './work.ts'

export interface VerifyOptions {
  depth: 'restore' | 'full'
  assertions: readonly UserAssertion[]
}

export async function verify(
  work: Work,
  context: DriverContext,
  manifest: Manifest,
  { dir }: Pick<Target, 'dir'>,
  { depth, assertions }: VerifyOptions,
): Promise<Assertion[]> {
  const scratch = await readScratch(dir)
  if (!scratch) return [{ name: 'engine', ok: false, expected: 'a restored point', actual: `nothing was restored by way of ${dir}` }]
  return withServer(work, placeOf(work, scratch), context.signal, async (server) => {
    const version = await versionOf(server)
    const results: Assertion[] = [engine(manifest, version)]
    for (const [collection, name] of Object.entries(scratch.collections)) {
      const loaded = loads(collection, scratch)
      results.push(loaded)
      if (!loaded.ok) continue
      const compared = await compareCollection(server, {
        collection,
        name,
        expected: expectedOf(manifest, collection, scratch.from),
        sample: scratch.from === 'export' ? [] : await sampleFrom(dir, collection),
        depth,
        sameVersion: version === versionIn(manifest),
        batchSize: work.config.export.batchSize,
        onPoints: (points) => context.onProgress({ phase: `compare ${collection}`, parts: points }),
      })
      results.push(...compared)
    }
    for (const assertion of assertions) results.push(await userAssertion(server, scratch, assertion))
    return results
  })
}

const engine = (manifest: Manifest, version: string): Assertion => ({
  name: 'engine',
  ok: true,
  expected: `answers, for snapshots of ${versionIn(manifest)}`,
  actual: `answers, is ${version}`,
})

function loads(collection: string, { damaged }: Scratch): Assertion {
  const problem = damaged[collection]
  return { name: `load of ${collection}`, ok: problem === undefined, expected: 'recovered', actual: problem ?? 'recovered' }
}

/** An export is of a later moment than the snapshots where somebody wrote meanwhile. */
export function expectedOf({ inventory = {} }: Manifest, collection: string, from: Scratch['from']): Record<string, string | number> {
  const facts = inventory[entryOf(collection)] ?? {}
  if (from === 'snapshots') return facts
  const { 'points from': _, 'points to': __, ...rest } = facts
  return { ...rest, ...inventory[exportEntryOf(collection)] }
}

async function sampleFrom(dir: string, collection: string): Promise<Point[]> {
  const text = await readFile(sampleIn(dir, collection), 'utf8')
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => parseJson(line) as Point)
}

async function userAssertion(server: Server, { collections }: Scratch, assertion: UserAssertion): Promise<Assertion> {
  const collection = String(assertion['collection'])
  const name = collections[collection]
  const { expected, ask } = questionOf(assertion)
  try {
    const actual = name === undefined ? `no collection ${collection} was restored` : await ask(server, name)
    return { name: assertion.name, ok: actual === expected, expected, actual }
  } catch (error) {
    // A question that cannot be asked is a red one.
    if (server.signal?.aborted || !(error instanceof HoldfastError)) throw error
    return { name: assertion.name, ok: false, expected, actual: messageOf(error) }
  }
}

interface Question {
  expected: string
  ask(server: Server, name: string): Promise<string>
}

function questionOf(assertion: UserAssertion): Question {
  if (assertion['point'] !== undefined) return payloadQuestion(assertion)
  const { atLeast = 1, atMost } = assertion as { atLeast?: number; atMost?: number }
  const expected = `${atLeast} ${atMost === undefined ? 'points or more' : `to ${atMost} points`}`
  return {
    expected,
    async ask(server, name) {
      const count = await exactCount(server, name, assertion['filter'] as Record<string, unknown> | undefined)
      return count >= atLeast && count <= (atMost ?? count) ? expected : `${count} points`
    },
  }
}

function payloadQuestion({ point, payload = {} }: UserAssertion): Question {
  const wanted = payload as Record<string, unknown>
  return {
    expected: canonicalJson(wanted),
    async ask(server, name) {
      const [found] = await pointsById(server, name, [point as number | string])
      if (!found) return `no point ${String(point)}`
      return canonicalJson(Object.fromEntries(Object.keys(wanted).map((field) => [field, found.payload[field] ?? null])))
    },
  }
}
