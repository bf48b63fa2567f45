/**
 * The stand-in for Qdrant gives the replies that were recorded of the real server. Where QDRANT_URL names a real one,
 * it is asked the same; what only the stand-in's own faults can show is in qdrant-faults.test.ts.
 */
import { createHash } from 'node:crypto'
import { QdrantClient } from '@qdrant/js-client-rest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type QdrantStandIn, startQdrantStandIn } from '../support/stand-ins/qdrant/start.ts'

const REAL = process.env['QDRANT_URL']
const servers = [{ server: 'the stand-in', url: '' }, ...(REAL ? [{ server: 'Qdrant', url: REAL }] : [])]
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

describe.each(servers)('$server', ({ url: given }) => {
  let standIn: QdrantStandIn | undefined
  const key = given ? process.env['QDRANT_API_KEY'] : undefined
  const headers: Record<string, string> = key ? { 'api-key': key } : {}
  let url = given
  let client: QdrantClient
  const name = `holdfast-check-${process.pid}`
  const other = `${name}-restored`

  beforeAll(async () => {
    if (!given) standIn = await startQdrantStandIn()
    url ||= standIn?.url ?? ''
    client = new QdrantClient({ url, ...(key ? { apiKey: key } : {}) })
    await client.createCollection(name, {
      vectors: {
        text: { size: 4, distance: 'Cosine' },
        parts: { size: 2, distance: 'Dot', multivector_config: { comparator: 'max_sim' } },
      },
      sparse_vectors: { words: {} },
    })
    await client.createPayloadIndex(name, { field_name: 'city', field_schema: 'keyword', wait: true })
    const points = Array.from({ length: 25 }, (_, index) => ({
      id: index === 24 ? '6f1e7d5c-0000-4000-8000-000000000001' : index,
      vector: {
        text: [index + 1, 2, 3, 0.1],
        parts: [
          [1, index],
          [3, 4],
        ],
        words: { indices: [7, 3], values: [0.5, index + 0.25] },
      },
      payload: { city: index % 2 ? 'Bern' : 'Rom', big: 2 ** 40 + index },
    }))
    await client.upsert(name, { points, wait: true })
  })
  afterAll(async () => {
    for (const collection of [name, other]) await client.deleteCollection(collection)
    await standIn?.stop()
  })

  const everything = async (collection: string) => {
    const { points } = await client.scroll(collection, { limit: 1000, with_payload: true, with_vector: true })
    return points.map(({ id, payload, vector }) => ({ id, payload, vector }))
  }
  const download = (collection: string, snapshot: string) => fetch(`${url}/collections/${collection}/snapshots/${snapshot}`, { headers })
  const upload = async (collection: string, bytes: Buffer, query = '') => {
    const form = new FormData()
    form.set('snapshot', new Blob([new Uint8Array(bytes)]), 'uploaded.snapshot')
    const reply = await fetch(`${url}/collections/${collection}/snapshots/upload?priority=snapshot&wait=true${query}`, {
      method: 'POST',
      headers,
      body: form,
    })
    return { status: reply.status, body: (await reply.json()) as { result?: unknown; status: string | { error: string } } }
  }
  const snapshotBytes = async () => {
    const made = await client.createSnapshot(name)
    return { made, bytes: Buffer.from(await (await download(name, made?.name ?? '')).arrayBuffer()) }
  }

  it('says its version, and that it is ready', async () => {
    expect(await client.versionInfo()).toMatchObject({ version: expect.stringMatching(/^1\./) })
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect((await client.getCollections()).collections).toContainEqual({ name })
  })

  it('gives back the configuration that a collection was made with, and its payload indexes', async () => {
    const info = await client.getCollection(name)
    expect(info.status).toBe('green')
    expect(info.config.params).toMatchObject({
      vectors: {
        text: { size: 4, distance: 'Cosine' },
        parts: { size: 2, distance: 'Dot', multivector_config: { comparator: 'max_sim' } },
      },
      sparse_vectors: { words: {} },
      shard_number: 1,
    })
    expect(info.payload_schema['city']).toMatchObject({ data_type: 'keyword' })
  })

  it('refuses a second collection of a name with 409, and an unknown one with 404', async () => {
    await expect(client.createCollection(name, { vectors: { size: 4, distance: 'Dot' } })).rejects.toMatchObject({ status: 409 })
    const reply = await fetch(`${url}/collections/${name}-none`, { headers })
    expect(reply.status).toBe(404)
    expect(await reply.json()).toMatchObject({ status: { error: `Not found: Collection \`${name}-none\` doesn't exist!` } })
  })

  it('scrolls through all points in pages, numbers before UUIDs', async () => {
    const seen: unknown[] = []
    let offset: unknown
    do {
      const page = await client.scroll(name, { limit: 10, ...(offset === undefined ? {} : { offset: offset as number }) })
      seen.push(...page.points.map(({ id }) => id))
      offset = page.next_page_offset
    } while (offset !== null && offset !== undefined)
    expect(seen).toEqual([...Array.from({ length: 24 }, (_, index) => index), '6f1e7d5c-0000-4000-8000-000000000001'])
  })

  it('stores Cosine vectors at length 1 and gives back the other kinds as they came', async () => {
    const [point] = await client.retrieve(name, { ids: [0], with_vector: true })
    const { text, parts, words } = Object(point?.vector) as { text: number[]; parts: number[][]; words: { indices: number[] } }
    expect(Math.hypot(...text)).toBeCloseTo(1, 6)
    expect(parts).toEqual([
      [1, 0],
      [3, 4],
    ])
    expect([...words.indices].sort()).toEqual([3, 7])
  })

  it('does not change a vector that was read and is written again', async () => {
    const before = await everything(name)
    await client.upsert(name, { points: before as never, wait: true })
    expect(await everything(name)).toEqual(before)
    expect(await client.count(name, { exact: true })).toEqual({ count: 25 })
  })

  it('counts and deletes by what a filter says', async () => {
    expect(await client.count(name, { exact: true, filter: { must: [{ key: 'city', match: { value: 'Rom' } }] } })).toEqual({ count: 13 })
  })

  it('changes aliases in one go, and gives them by collection', async () => {
    await client.updateCollectionAliases({ actions: [{ create_alias: { collection_name: name, alias_name: `${name}-a` } }] })
    await client.updateCollectionAliases({
      actions: [{ rename_alias: { old_alias_name: `${name}-a`, new_alias_name: `${name}-b` } }],
    })
    expect((await client.getCollectionAliases(name)).aliases).toEqual([{ alias_name: `${name}-b`, collection_name: name }])
    expect(await client.count(`${name}-b`, { exact: true })).toEqual({ count: 25 })
  })

  it('makes a snapshot whose size and SHA-256 are those of the download, which tells no length', async () => {
    const made = await client.createSnapshot(name)
    const reply = await download(name, made?.name ?? '')
    const bytes = Buffer.from(await reply.arrayBuffer())
    expect(reply.headers.get('content-length')).toBeNull()
    expect({ size: bytes.length, checksum: sha256(bytes) }).toEqual({ size: made?.size, checksum: made?.checksum })
    expect((await client.listSnapshots(name)).map((snapshot) => snapshot.name)).toContain(made?.name)
    expect(await client.deleteSnapshot(name, made?.name ?? '')).toBe(true)
    expect((await download(name, made?.name ?? '')).status).toBe(404)
  })

  it('restores an uploaded snapshot under a new name: points, configuration and indexes, but no aliases', async () => {
    const { made, bytes } = await snapshotBytes()
    expect(await upload(other, bytes, `&checksum=${made?.checksum}`)).toMatchObject({ status: 200, body: { result: true, status: 'ok' } })
    expect(await everything(other)).toEqual(await everything(name))
    expect((await client.getCollection(other)).payload_schema['city']).toMatchObject({ data_type: 'keyword' })
    expect((await client.getCollectionAliases(other)).aliases).toEqual([])
    // Read in Qdrant's source: whoever uploads has to delete it.
    expect((await client.listSnapshots(other)).map((snapshot) => snapshot.name)).toEqual(['uploaded.snapshot'])
  })

  it('replaces what an existing collection holds with the snapshot', async () => {
    const { bytes } = await snapshotBytes()
    await upload(other, bytes)
    await client.upsert(other, { wait: true, points: [{ id: 999, vector: {}, payload: {} }] })
    await client.delete(other, { wait: true, points: [3] })
    expect((await upload(other, bytes)).status).toBe(200)
    expect((await client.retrieve(other, { ids: [3, 999] })).map(({ id }) => id)).toEqual([3])
  })

  it('refuses a wrong checksum with 400 and a truncated file with 500; neither leaves a collection', async () => {
    const { bytes } = await snapshotBytes()
    const nowhere = `${name}-nowhere`
    const wrong = await upload(nowhere, bytes, `&checksum=${'0'.repeat(64)}`)
    expect(wrong.status).toBe(400)
    // The real one names the two the wrong way round.
    expect(wrong.body.status).toEqual({ error: `Checksum mismatch: expected ${sha256(bytes)}, actual ${'0'.repeat(64)}` })
    const cut = await upload(nowhere, bytes.subarray(0, bytes.length >> 1))
    expect(cut.status).toBe(500)
    expect(JSON.stringify(cut.body.status)).toContain('failed to unpack')
    expect((await client.getCollections()).collections.map((collection) => collection.name)).not.toContain(nowhere)
  })

  it('recovers from no file outside of its snapshots and from no other server', async () => {
    for (const location of ['file:///etc/hostname', 'http://127.0.0.1:1/some.snapshot'])
      await expect(client.recoverSnapshot(name, { location })).rejects.toMatchObject({ status: 403 })
  })

  it('says where a collection lives', async () => {
    expect(await client.collectionClusterInfo(name)).toMatchObject({
      peer_id: expect.any(Number),
      shard_count: 1,
      local_shards: [{ shard_id: 0, points_count: 25, state: 'Active' }],
      remote_shards: [],
    })
  })
})
