/** The stand-in for Qdrant as a process: what it keeps, whom it lets in, and the faults that only it can be ordered to have. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { QdrantClient } from '@qdrant/js-client-rest'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { until } from '../../src/process/wait.ts'
import { type QdrantStandIn, startQdrantStandIn } from '../support/stand-ins/qdrant/start.ts'

let dir: string
let server: QdrantStandIn
let client: QdrantClient
const start = async (options: { apiKey?: string } = {}) => {
  server = await startQdrantStandIn({ dir, ...options })
  client = new QdrantClient({ url: server.url, checkCompatibility: false })
}
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-qdrant-test-'))
  await start()
  await client.createCollection('docs', { vectors: { a: { size: 2, distance: 'Dot' }, b: { size: 2, distance: 'Dot' } } })
  await client.createPayloadIndex('docs', { field_name: 'n', field_schema: 'integer', wait: true })
  await write([1, 2, 3])
})
afterEach(async () => {
  await server.stop()
  await rm(dir, { recursive: true, force: true })
})
const write = (ids: number[]) =>
  client.upsert('docs', { wait: true, points: ids.map((id) => ({ id, vector: { a: [id, 0.1], b: [1, 2] }, payload: { n: id } })) })
const snapshotUrl = (name = '') => `${server.url}/collections/docs/snapshots/${name}`

it('has collections, points, indexes, aliases and snapshots again after a kill', async () => {
  await client.updateCollectionAliases({ actions: [{ create_alias: { collection_name: 'docs', alias_name: 'live' } }] })
  const made = await client.createSnapshot('docs')
  await client.delete('docs', { wait: true, points: [2] })
  const before = await client.scroll('docs', { with_vector: true })
  // Killed in the middle of a write, and again after the next.
  for (const ids of [[], [4]]) {
    process.kill(server.pid, 'SIGKILL')
    await server.stop()
    await appendFile(join(dir, 'collections', 'docs', 'points.ndjson'), '{"upsert":[{"id":')
    await mkdir(join(dir, 'collections', 'half made'), { recursive: true })
    await start()
    expect((await client.scroll('live', { with_vector: true })).points.slice(0, 2)).toEqual(before.points)
    await write(ids)
  }
  await server.stop()
  await start()
  expect((await client.scroll('live')).points.map(({ id }) => id)).toEqual([1, 3, 4])
  expect((await client.getCollection('docs')).payload_schema['n']).toMatchObject({ data_type: 'integer', points: 3 })
  expect(await client.listSnapshots('docs')).toEqual([made])
})

it('keeps 64-bit integers in ids and payloads', async () => {
  const big = 18_446_744_073_709_551_615n
  const body = `{"points":[{"id":${big},"vector":{},"payload":{"big":${2n ** 60n + 1n}}}]}`
  const headers = { 'content-type': 'application/json' }
  await fetch(`${server.url}/collections/docs/points?wait=true`, { method: 'PUT', headers, body })
  const reply = await fetch(`${server.url}/collections/docs/points/scroll`, { method: 'POST', headers, body: `{"offset":${big}}` })
  expect(await reply.text()).toContain(`{"id":${big},"payload":{"big":${2n ** 60n + 1n}}}`)
})

it('gives the names of vectors in an order that varies, as the real one does', async () => {
  const raw = async () => {
    const reply = await fetch(`${server.url}/collections/docs/points`, { method: 'POST', body: '{"ids":[1],"with_vector":true}' })
    return Object.keys(((await reply.json()) as { result: { vector: object }[] }).result[0]?.vector ?? {}).join()
  }
  expect(new Set([await raw(), await raw()])).toEqual(new Set(['a,b', 'b,a']))
})

it('counts a point that was written again twice in payload_schema, not in the exact count', async () => {
  await write([3])
  expect((await client.getCollection('docs')).payload_schema['n']?.points).toBe(4)
  expect(await client.count('docs', { exact: true })).toEqual({ count: 3 })
})

it('asks for its key, except whether it is ready', async () => {
  await server.stop()
  await start({ apiKey: 'a key' })
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
  const without = await fetch(`${server.url}/collections`)
  expect([without.status, await without.text()]).toEqual([401, 'Must provide an API key or an Authorization bearer token'])
  expect((await fetch(`${server.url}/collections`, { headers: { 'api-key': 'another' } })).status).toBe(401)
  expect((await fetch(`${server.url}/collections`, { headers: { 'api-key': 'a key' } })).status).toBe(200)
})

it('takes an upload of many times its memory, and leaves no rest of one that was cut off', async () => {
  const size = 400 * 1024 * 1024
  const file = join(dir, 'large')
  await writeFile(file, '')
  await truncate(file, size)
  const reply = await sendFile(file, size)
  // 400 MiB of zeros are no collection; what counts is that they went to disk and not to memory.
  expect(reply).toContain('failed to unpack')
  const peak = Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024
  expect(peak).toBeLessThan(300)
  await expect(sendFile(file, 1_000_000)).rejects.toThrow()
  const cleared = async () => (await readdir(join(dir, 'tmp'))).length === 0
  await until(cleared, { timeoutMs: 30_000, what: 'the rest of the upload to be removed' })
})

/** A form by hand, of which only the first bytes are sent where they are fewer than the file has. */
async function sendFile(file: string, bytes: number): Promise<string> {
  const head = '--X\r\ncontent-disposition: form-data; name="snapshot"; filename="large.snapshot"\r\n\r\n'
  const whole = (await stat(file)).size
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'multipart/form-data; boundary=X', 'content-length': head.length + whole + '\r\n--X--\r\n'.length }
    const sending = request(`${server.url}/collections/other/snapshots/upload`, { method: 'POST', headers }, async (reply) => {
      resolve(Buffer.concat(await reply.toArray()).toString('utf8'))
    })
    sending.on('error', reject)
    sending.write(head)
    const body = createReadStream(file, { end: bytes - 1 })
    body.pipe(sending, { end: false })
    body.once('end', () => (bytes < whole ? sending.destroy(new Error('cut off')) : sending.end('\r\n--X--\r\n')))
  })
}

it('has the faults that it is ordered to have, each once', async () => {
  const made = await client.createSnapshot('docs')
  await server.fail({ path: '/collections/docs/snapshots/*', cutAfterBytes: 100 })
  await expect(fetch(snapshotUrl(made?.name)).then((reply) => reply.arrayBuffer())).rejects.toThrow('terminated')
  const bytes = Buffer.from(await (await fetch(snapshotUrl(made?.name))).arrayBuffer())
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(made?.checksum)

  await server.fail({ path: '/collections', status: 503, error: 'ordered' })
  const refused = await fetch(`${server.url}/collections`)
  expect([refused.status, ((await refused.json()) as { status: unknown }).status]).toEqual([503, { error: 'ordered' }])
  expect((await fetch(`${server.url}/collections`)).status).toBe(200)

  await server.fail({ method: 'POST', path: '/collections/docs/snapshots', wrongChecksum: true })
  expect((await client.createSnapshot('docs'))?.checksum).toBe('0'.repeat(64))

  await server.fail({ path: '/collections', delayMs: 60_000 })
  await expect(fetch(`${server.url}/collections`, { signal: AbortSignal.timeout(300) })).rejects.toThrow('timeout')
})
