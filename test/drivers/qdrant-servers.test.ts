/** Keys, certificates, several nodes and large snapshots, on the stand-in. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeCertificate } from '../../scripts/toolbox/certificate.ts'
import { run } from '../../src/process/run.ts'
import { contextFor, failures, nextRequest } from '../conformance/driver.ts'
import { clientOf, fillPlain, fillRich, leftOn, qdrantConfig } from '../support/qdrant.ts'
import { openStage, type Stage } from '../support/qdrant-stage.ts'
import { type QdrantStandIn, startQdrantStandIn } from '../support/stand-ins/qdrant/start.ts'

const KEY = 'a key that nobody may see'
let stage: Stage
const cleanup: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end()
})
const open = async (options: { apiKey?: string } = {}) => {
  stage = await openStage(options)
  cleanup.push(() => stage.close())
}

describe('an API key', () => {
  beforeEach(() => open({ apiKey: KEY }))

  it('opens the server, and stands in no record', async () => {
    const manifest = await stage.point()
    expect(failures(await stage.proof(manifest))).toEqual([])
    expect(JSON.stringify(manifest)).not.toContain(KEY)
  })

  it.each([
    ['that is missing', undefined, 'Must provide an API key'],
    ['that is wrong', 'another key', 'Invalid API key'],
  ])('%s is refused for good, and is not in the message', async (_, apiKey, said) => {
    await stage.configure({ apiKey })
    const refused = await stage.driver.preflight(contextFor()).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: false, message: expect.stringContaining(said) })
    expect(String(refused)).not.toContain('another key')
    const manifestless = stage.driver.snapshot?.(contextFor(), nextRequest())
    await expect(manifestless).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: false })
  })

  it('of the scratch server is its own', async () => {
    const other = await startQdrantStandIn({ apiKey: 'of the other' })
    cleanup.push(() => other.stop())
    await stage.configure({ scratch: { url: other.url, apiKey: 'of the other' } })
    const manifest = await stage.point()
    const dir = join(stage.scratchRoot, 'kept')
    const { target } = await stage.driver.restore(contextFor(), manifest, stage.artifacts(), { dir })
    expect(target.connection).toBe(other.url)
    expect(await leftOn(stage.client)).toEqual([])
    expect(failures(await stage.driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] }))).toEqual([])
    await stage.driver.destroy({ dir })
    expect(await leftOn(clientOf(other.url, 'of the other'))).toEqual([])
  })
})

describe('an encrypted server', () => {
  let secure: Server
  let url: string
  let caFile: string
  beforeEach(async () => {
    await open()
    const dir = await mkdtemp(join(tmpdir(), 'holdfast-tls-'))
    cleanup.push(() => rm(dir, { recursive: true, force: true }))
    const certificate = await makeCertificate(dir)
    caFile = certificate.caFile
    const pair = { cert: await readFile(certificate.certFile), key: await readFile(certificate.keyFile) }
    secure = createServer(pair, (incoming, outgoing) => {
      const { method, headers } = incoming
      const onward = request(`${stage.server.url}${incoming.url}`, { method, headers }, (reply) => {
        outgoing.writeHead(reply.statusCode ?? 500, reply.headers)
        reply.pipe(outgoing)
      })
      incoming.pipe(onward)
    })
    await new Promise<void>((resolve) => {
      secure.listen(0, '127.0.0.1', resolve)
    })
    url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`
    cleanup.push(() => {
      secure.closeAllConnections()
      secure.close()
    })
  })

  it('is trusted by the authority that the source names: downloads and uploads too', async () => {
    await stage.configure({ tls: { caFile } }, url)
    expect(failures(await stage.proof(await stage.point()))).toEqual([])
  })

  it('is not trusted without', async () => {
    await stage.configure({}, url)
    const refused = stage.driver.preflight(contextFor())
    await expect(refused).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', message: expect.stringMatching(/certificate/) })
  })
})

describe('several nodes', () => {
  let second: QdrantStandIn
  beforeEach(async () => {
    await open()
    second = await startQdrantStandIn()
    cleanup.push(() => second.stop())
    await fillRich(clientOf(second.url), 'docs', 30)
    await fillPlain(clientOf(second.url), 'images', 5)
  })

  it('have a snapshot each of every collection, removed on each afterwards', async () => {
    await stage.configure({}, [stage.server.url, second.url])
    const { artifacts, consistency } = await stage.point()
    const snapshots = artifacts.filter(({ role }) => role === 'snapshot')
    expect(snapshots.map(({ part }) => part.replace(/\d+$/, '<peer>'))).toEqual([
      'collections/docs/snapshot.<peer>',
      'collections/docs/snapshot.<peer>',
      'collections/images/snapshot.<peer>',
      'collections/images/snapshot.<peer>',
    ])
    expect(new Set(snapshots.map(({ peer }) => peer)).size).toBe(2)
    expect(consistency['nodes']).toHaveLength(2)
    for (const { url } of [stage.server, second]) expect(await leftOn(clientOf(url))).toEqual([])
  })

  it('are all needed: while one is down there is no point, and nothing is left on the others', async () => {
    await stage.configure({}, [stage.server.url, second.url])
    await second.stop()
    await expect(stage.driver.preflight(contextFor())).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: true })
    const request = nextRequest()
    await expect(stage.driver.snapshot?.(contextFor(), request)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' })
    await stage.driver.removeSnapshot?.(contextFor(), request.id)
    expect(await leftOn(stage.client)).toEqual([])
  })

  it('are two only where two servers answer', async () => {
    await stage.configure({}, [stage.server.url, stage.server.url.replace('127.0.0.1', 'localhost')])
    const { findings } = await stage.driver.preflight(contextFor())
    expect(findings.filter(({ ok, required }) => required && !ok)).toEqual([
      expect.objectContaining({ name: 'nodes', detail: 'the source names 2 nodes, which are 1, of a cluster of 2' }),
    ])
  })

  it('are restored to be looked at on a server that stands alone, or from the export', async () => {
    await stage.configure({}, [stage.server.url, second.url])
    const manifest = await stage.point()
    await expect(stage.proof(manifest)).rejects.toMatchObject({ code: 'SOURCE_UNFIT', object: 'scratch.url' })
    const dir = join(stage.scratchRoot, 'export')
    const { target } = await stage.driver.restore(contextFor(), manifest, stage.artifacts(), { dir, choice: { mode: 'upsert' } })
    expect(failures(await stage.driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] }))).toEqual([])
    await stage.driver.destroy({ dir })
  })

  it('get each its own snapshot back in a live restore, and only where their shards still are', async () => {
    await stage.configure({}, [stage.server.url, second.url])
    const manifest = await stage.point()
    const others = clientOf(second.url)
    await others.delete('docs', { wait: true, points: [1, 2, 3] })
    await stage.client.delete('docs', { wait: true, points: [1] })
    const { swap } = await stage.aside(manifest, { parts: ['docs'] })
    await swap()
    expect([await others.count('docs', { exact: true }), await stage.client.count('docs', { exact: true })]).toEqual([
      { count: 31 },
      { count: 61 },
    ])
    for (const client of [stage.client, others]) expect(await leftOn(client)).toEqual([])
    await stage.client.deleteCollection('docs')
    await expect(stage.aside(manifest)).rejects.toMatchObject({ code: 'SOURCE_UNFIT', next: 'restore its export, with mode upsert' })
  })
})

it('memory stays flat however large a snapshot is, both ways', async () => {
  await open()
  const script = join(import.meta.dirname, '../support/qdrant-memory-probe.ts')
  const rss = async (mebibytes: number) =>
    Number((await run({ program: process.execPath, args: [script, stage.server.url, String(mebibytes)] })).stdout)
  const [little, much] = [await rss(20), await rss(420)]
  expect(much - little).toBeLessThan(120)
}, 180_000)

it('a source has either a url or nodes, and addresses without a key', () => {
  const problems = (config: Record<string, unknown>) => expect(() => qdrantConfig('http://a', '/tmp', config))
  problems({ nodes: ['http://b'] }).toThrow('either url or nodes')
  problems({ url: 'http://key@a:6333' }).toThrow('without a key')
  problems({ scratch: { apiKey: 'x' } }).toThrow('scratch.url only')
})
