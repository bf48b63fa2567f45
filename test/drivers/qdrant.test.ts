/** Qdrant as every driver: on the stand-in, and on a real server where QDRANT_URL names one that holds nothing else. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { QdrantClient } from '@qdrant/js-client-rest'
import { describe } from 'vitest'
import type { Target } from '../../src/drivers/driver.ts'
import { describeDriver, type DriverHarness } from '../conformance/driver.ts'
import { clientOf, contentsOf, fillPlain, fillRich, leftOn, qdrantConfig, qdrantDriver } from '../support/qdrant.ts'
import { startQdrantStandIn } from '../support/stand-ins/qdrant/start.ts'

const REAL = process.env['QDRANT_URL']
const KEY = process.env['QDRANT_API_KEY']
const NAMES = { rich: `docs-${process.pid}`, plain: `images ${process.pid}` }

async function openHarness(given: string): Promise<DriverHarness> {
  const standIn = given ? undefined : await startQdrantStandIn()
  const url = given || (standIn?.url ?? '')
  const key = given ? KEY : undefined
  const client = clientOf(url, key)
  await fillRich(client, NAMES.rich)
  await fillPlain(client, NAMES.plain)
  await client.updateCollectionAliases({ actions: [{ create_alias: { collection_name: NAMES.rich, alias_name: `${NAMES.rich}-live` } }] })
  const scratchRoot = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  // Without a sample, which would have all of these few points: what a proof finds, it finds by its digests.
  const wanted = { collections: { include: [NAMES.rich, NAMES.plain] }, compare: { sample: 0 } }
  const made = async () =>
    (await client.getCollections()).collections.map(({ name }) => name).filter((name) => name.startsWith('holdfast_'))
  return {
    driver: await qdrantDriver(qdrantConfig(url, scratchRoot, { ...wanted, ...(key && { apiKey: key }) })),
    scratchRoot,
    state: () => contentsOf(client, [NAMES.rich, NAMES.plain]),
    leftovers: () => leftOn(client),
    alive: async (dir) => (await made()).length > 0 || (await readdir(dir).catch(() => [])).length > 0,
    assertions: {
      holds: {
        name: 'points of Rom',
        collection: NAMES.rich,
        filter: { must: [{ key: 'city', match: { value: 'Rom' } }] },
        atLeast: 30,
        atMost: 30,
      },
      red: [
        { name: 'too few', collection: NAMES.plain, atLeast: 21 },
        { name: 'too many', collection: NAMES.plain, atMost: 19 },
        { name: 'another payload', collection: NAMES.plain, point: 3, payload: { n: 4 } },
        { name: 'no such point', collection: NAMES.plain, point: 300 },
        { name: 'no such collection', collection: 'nope' },
        { name: 'broken', collection: NAMES.plain, filter: { must: 'everything' } },
      ],
    },
    // Nothing that somebody uses leads to it.
    leaks: async () =>
      (await client.getAliases()).aliases
        .filter(({ collection_name }) => collection_name.startsWith('holdfast_'))
        .map(({ alias_name }) => alias_name),
    tamperings: tamperingsWith(client),
    async close() {
      for (const name of Object.values(NAMES)) await client.deleteCollection(name)
      await standIn?.stop()
      await rm(scratchRoot, { recursive: true, force: true })
    },
  }
}

function tamperingsWith(client: QdrantClient): DriverHarness['tamperings'] {
  const inPlain = ({ database }: Target) => `${database}${NAMES.plain}`
  const red = /^(collection|content of) images/
  const put = (vector: number[], payload: object) => async (target: Target) => {
    await client.upsert(inPlain(target), { wait: true, points: [{ id: 7, vector, payload: { ...payload } }] })
  }
  const undo = put([7, 1, 2, 1], { n: 7 })
  return [
    { name: 'another payload', change: put([7, 1, 2, 1], { n: 8 }), undo, red: /^content of images/ },
    { name: 'another vector', change: put([7, 1, 2, 1.0001], { n: 7 }), undo, red: /^content of images/ },
    {
      name: 'one missing point',
      change: async (target) => void (await client.delete(inPlain(target), { wait: true, points: [7] })),
      undo,
      red,
    },
    {
      name: 'one added point',
      change: async (target) => void (await client.upsert(inPlain(target), { wait: true, points: [{ id: 99, vector: [1, 2, 3, 4] }] })),
      undo: async (target) => void (await client.delete(inPlain(target), { wait: true, points: [99] })),
      red: /^(collection|content of) images/,
    },
    {
      name: 'another index',
      change: async (target) =>
        void (await client.createPayloadIndex(inPlain(target), { field_name: 'n', field_schema: 'integer', wait: true })),
      undo: async (target) => void (await client.deletePayloadIndex(inPlain(target), 'n', { wait: true })),
      red: /^collection images/,
    },
  ]
}

describe.each([{ server: 'the stand-in', url: '' }, ...(REAL ? [{ server: 'Qdrant', url: REAL }] : [])])('$server', ({ url }) => {
  describeDriver('qdrant', () => openHarness(url))
})
