/** Vectors on a stand-in for Qdrant: a collection that an alias leads to, and one without. */
import type { OpenSample } from '../../../scripts/sources/sample.ts'
import { canonicalJson, pointOf } from '../../../src/drivers/qdrant/canonical.ts'
import { clientOf, fillRich, leftOn } from '../qdrant.ts'
import { startQdrantStandIn } from '../stand-ins/qdrant/start.ts'

const KEY = 'a key of the sample'

export const openQdrantSample: OpenSample = async (dir) => {
  const server = await startQdrantStandIn({ dir, apiKey: KEY })
  const client = clientOf(server.url, KEY)
  await fillRich(client, 'memories_v1', 2000)
  await fillRich(client, 'images', 200)
  await client.updateCollectionAliases({ actions: [{ create_alias: { alias_name: 'memories', collection_name: 'memories_v1' } }] })
  return {
    driver: 'qdrant',
    config: {
      url: server.url,
      apiKey: '${env:QDRANT_SAMPLE_KEY}',
      verify: { assertions: [{ collection: 'images', filter: { must: [{ key: 'city', match: { value: 'Rom' } }] }, atLeast: 100 }] },
    },
    env: { QDRANT_SAMPLE_KEY: KEY },
    // By the names that its users know.
    async contents() {
      const read = async (name: string) => {
        const { exists } = await client.collectionExists(name)
        const { points } = exists ? await client.scroll(name, { limit: 10_000, with_vector: true }) : { points: [] }
        return points.map((point) => `${name} ${canonicalJson(pointOf(point))}`)
      }
      return (await Promise.all(['memories', 'images'].map(read))).flat().join('\n')
    },
    async change() {
      await client.upsert('memories', { wait: true, points: [{ id: 5, vector: {}, payload: { city: 'Thun' } }] })
      await client.delete('images', { wait: true, points: [6] })
    },
    async destroy() {
      await client.delete('memories', { wait: true, filter: {} })
      await client.deleteCollection('images')
    },
    leftovers: () => leftOn(client),
    close: () => server.stop(),
  }
}
