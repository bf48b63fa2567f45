import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startFalkorDB } from '../../scripts/toolbox/falkordb.ts'
import { lookUp } from '../../scripts/toolbox/find.ts'
import type { RedisServer } from '../../scripts/toolbox/redis.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { LiveRestore, RestoreChoice, SourceDriver, Target } from '../../src/drivers/driver.ts'
import { checkRdb } from '../../src/drivers/redis/check.ts'
import { processesIn } from '../../src/process/in-folder.ts'
import { createSource } from '../../src/pipeline/read.ts'
import {
  contextFor,
  describeDriver,
  type DriverHarness,
  failures,
  nextRequest,
  openRepository,
  type Repository,
  takePoint,
} from '../conformance/driver.ts'
import { FALKOR_PROGRAMS, falkorConfig, fillGraphs, graphContents } from '../support/falkordb.ts'
import { ask, leftIn, REDIS_PROGRAMS, redisDriver, withRedis } from '../support/redis.ts'

const here = lookUp('falkordb-redis-server') !== undefined

const changed =
  (graph: string, cypher: string) =>
  async ({ connection }: Target): Promise<void> => {
    await withRedis(connection, async (client) => {
      await client.config('SET', 'replica-read-only', 'no')
      await client.call('GRAPH.QUERY', graph, cypher)
    })
  }

async function openHarness(): Promise<DriverHarness> {
  const server = await startFalkorDB({ args: ['--repl-diskless-sync-delay', '0'] })
  await fillGraphs(server.url)
  const scratchRoot = await mkdtemp(join(tmpdir(), 'hfg-'))
  return {
    driver: await redisDriver(falkorConfig(server.url, scratchRoot)),
    scratchRoot,
    state: () => graphContents(server.url),
    leftovers: () => leftIn(scratchRoot),
    alive: async (dir) => (await processesIn(dir)).length > 0,
    assertions: {
      holds: { name: 'there are people', graph: 'social', cypher: 'MATCH (n:Person) RETURN count(n) > 0' },
      red: [
        { name: 'false', graph: 'social', cypher: 'MATCH (n:Person) RETURN count(n) = 0' },
        { name: 'broken', graph: 'social', cypher: 'RETURN' },
        { name: 'writes', graph: 'social', cypher: 'CREATE (:X) RETURN true' },
      ],
    },
    leaks: async () => [],
    tamperings: [
      {
        name: 'one altered property, which DEBUG DIGEST does not see',
        change: changed('social', "MATCH (n:Person {id: 7}) SET n.name = 'nobody'"),
        undo: changed('social', "MATCH (n:Person {id: 7}) SET n.name = 'person 7'"),
        red: /^graph social$/,
      },
      {
        name: 'one missing edge',
        change: changed('social', 'MATCH (a:Person {id: 7})-[e:KNOWS]->() DELETE e'),
        undo: changed('social', 'MATCH (a:Person {id: 7}), (b:Person {id: 8}) CREATE (a)-[:KNOWS {since: 7}]->(b)'),
        red: /^graph social$/,
      },
      {
        name: 'an edge the other way round',
        change: changed('social', 'MATCH (a:Person {id: 7})-[e:KNOWS]->(b) DELETE e CREATE (b)-[:KNOWS {since: 7}]->(a)'),
        undo: changed('social', 'MATCH (a:Person {id: 7})<-[e:KNOWS {since: 7}]-(b) DELETE e CREATE (a)-[:KNOWS {since: 7}]->(b)'),
        red: /^graph social$/,
      },
      {
        name: 'one missing index',
        change: changed('social', 'DROP INDEX ON :Person(name)'),
        undo: changed('social', 'CREATE INDEX FOR (n:Person) ON (n.name)'),
        red: /^graph social$/,
      },
    ],
    async close() {
      await server.stop()
      await rm(scratchRoot, { recursive: true, force: true })
    },
  }
}

describe.skipIf(!here)('FalkorDB', () => {
  describeDriver('redis on FalkorDB', openHarness)

  describe('graphs of a point', () => {
    let repository: Repository
    let scratchDir: string
    let server: RedisServer
    let driver: SourceDriver
    let manifest: Manifest
    let before: string
    beforeAll(async () => {
      repository = await openRepository()
      scratchDir = await mkdtemp(join(tmpdir(), 'hfg-'))
      server = await startFalkorDB({ args: ['--repl-diskless-sync-delay', '0'] })
      await fillGraphs(server.url)
      driver = await redisDriver(falkorConfig(server.url, scratchDir))
      manifest = await takePoint(driver, repository, nextRequest())
      before = await graphContents(server.url)
    })
    afterAll(async () => {
      await server?.stop()
      await rm(repository.dir, { recursive: true, force: true })
      await rm(scratchDir, { recursive: true, force: true })
    })
    const live = (): LiveRestore => driver.live as LiveRestore
    const artifacts = () => createSource({ store: repository.store, identityFile: repository.identity.file })
    const place = (choice: RestoreChoice = {}) => ({ dir: join(scratchDir, 'restore-1'), choice })
    const restoreLive = async (choice: RestoreChoice = {}) => {
      const confirm = await live().fingerprint()
      await live().check(manifest, confirm, choice)
      const { oid } = await live().restoreAside(contextFor(), manifest, artifacts(), place(choice))
      const swapped = () => live().swap(manifest, confirm, oid, { context: contextFor(), source: artifacts(), ...place(choice) })
      await swapped()
      return swapped()
    }
    const graphs = async () => ((await ask(server.url, 'GRAPH.LIST')) as string[]).sort()

    it('stand in its manifest with nodes, edges and a digest of each, and no record of queries does', () => {
      expect(manifest.inventory?.['graph social']).toMatchObject({
        nodes: 304,
        edges: 303,
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      })
      expect(manifest.artifacts.filter(({ role }) => role === 'graph').map(({ part }) => part)).toEqual([
        'graphs/0/odd%20name%20%22%27',
        'graphs/0/social',
      ])
    })

    it('come back over the live server with everything else', async () => {
      await ask(server.url, 'GRAPH.DELETE', 'social')
      await ask(server.url, 'GRAPH.QUERY', 'later', 'CREATE (:Goes)')
      await restoreLive()
      expect(await graphContents(server.url)).toBe(before)
      expect(await ask(server.url, 'GRAPH.QUERY', 'later', 'CREATE (:Comes)')).toBeDefined()
      await ask(server.url, 'GRAPH.DELETE', 'later')
    })

    it('come back one by one under a new name, equal, beside what is there', async () => {
      await restoreLive({ parts: ['social'], into: 'social as it was' })
      expect(await graphs()).toEqual(['odd name "\'', 'social', 'social as it was'])
      expect(await graphContents(server.url, 'social as it was')).toBe(await graphContents(server.url, 'social'))
      await ask(server.url, 'GRAPH.DELETE', 'social as it was')
    })

    it('take the place of one only where that is said, and the old one is kept', async () => {
      await ask(server.url, 'GRAPH.QUERY', 'social', 'MATCH (n:Person) DELETE n')
      await expect(restoreLive({ parts: ['social'] })).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
      const { keptAs, notes } = await restoreLive({ parts: ['social'], mode: 'replace' })
      expect(keptAs).toBe('social_pre_restore_1')
      expect(notes).toContain('once nobody needs the old graph: GRAPH.DELETE social_pre_restore_1')
      expect(await graphContents(server.url, 'social')).toBe(await graphContents(server.url, 'social', before))
      await ask(server.url, 'GRAPH.DELETE', 'social_pre_restore_1')
    })

    it('do not take the place of one that somebody made meanwhile', async () => {
      const choice = { parts: ['social'], into: 'new' }
      const confirm = await live().fingerprint()
      await live().check(manifest, confirm, choice)
      await live().restoreAside(contextFor(), manifest, artifacts(), place(choice))
      await ask(server.url, 'GRAPH.QUERY', 'new', 'CREATE (:Mine)')
      const swap = live().swap(manifest, confirm, undefined, { context: contextFor(), source: artifacts(), ...place(choice) })
      await expect(swap).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
      await live().removeAside(manifest, place(choice))
      expect(await graphs()).toEqual(['new', 'odd name "\'', 'social'])
      await ask(server.url, 'GRAPH.DELETE', 'new')
    })

    it('that are given up leave nothing on the live server', async () => {
      const choice = { parts: ['social'], into: 'other' }
      await live().restoreAside(contextFor(), manifest, artifacts(), place(choice))
      await live().removeAside(manifest, place(choice))
      await live().removeAside(manifest, place(choice))
      expect(await graphs()).toEqual(['odd name "\'', 'social'])
    })

    it('come back into a scratch server of their own', async () => {
      const { target } = await driver.restore(contextFor(), manifest, artifacts(), { ...place({ parts: ['social'] }), promote: true })
      expect(await ask(target.connection, 'GRAPH.LIST')).toEqual(['social'])
      await driver.destroy(place())
    })

    it('need no more rights than the README lists', async () => {
      const readme = await readFile('src/drivers/redis/README.md', 'utf8')
      const rights = [...readme.matchAll(/ACL SETUSER holdfast ([^`\n]*)/g)].flatMap(([, words]) => words?.split(' ') ?? [])
      await ask(server.url, 'ACL', 'SETUSER', 'holdfast', ...rights)
      const limited = await redisDriver(falkorConfig(server.url, scratchDir, { username: 'holdfast', password: 'password' }))
      const point = await takePoint(limited, repository, nextRequest())
      expect(point.inventory?.['graph social']).toEqual(manifest.inventory?.['graph social'])
    })

    it('are found out at the capture where they would not load', async () => {
      const without = await redisDriver({ ...falkorConfig(server.url, scratchDir), modules: [] })
      await expect(takePoint(without, repository, nextRequest())).rejects.toMatchObject({
        code: 'INTEGRITY',
        message: expect.stringContaining('does not load'),
      })
      expect(await leftIn(scratchDir)).toEqual([])
    })

    it('are not checked by a program that is older than the server', async () => {
      const { checkRdb: old } = REDIS_PROGRAMS()
      const older = await redisDriver(falkorConfig(server.url, scratchDir, { programs: { ...FALKOR_PROGRAMS(), checkRdb: old } }))
      await expect(older.preflight(contextFor())).rejects.toMatchObject({ code: 'VERSION_UNFIT', object: 'redis-check-rdb' })
      await ask(server.url, 'SAVE')
      await expect(checkRdb(old, join(server.dir, 'dump.rdb'))).rejects.toMatchObject({ code: 'VERSION_UNFIT' })
    })

    it('are not restored without the module: that is a red assertion, and a refusal before any capture', async () => {
      const without = await redisDriver({ ...falkorConfig(server.url, scratchDir), modules: [] })
      const { findings } = await without.preflight(contextFor())
      expect(findings.find(({ name }) => name === 'modules')).toMatchObject({ ok: false, required: true })
      const { target } = await without.restore(contextFor(), manifest, artifacts(), place())
      const red = failures(await without.verify(contextFor(), manifest, target, { depth: 'restore', assertions: [] }))
      expect(red).toMatchObject([{ name: 'engine', actual: expect.stringContaining("no matching module 'graphdata'") }])
      await without.destroy(place())
    })
  })
})
