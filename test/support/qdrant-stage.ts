/** A filled stand-in for Qdrant, a repository, and a driver for the two: what tests of the driver begin with. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { QdrantClient } from '@qdrant/js-client-rest'
import type { Assertion, Manifest } from '../../src/core/records.ts'
import type { LiveRestore, RestoreChoice, SourceDriver, Swapped } from '../../src/drivers/driver.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { clientOf, fillPlain, fillRich, qdrantConfig, qdrantDriver } from './qdrant.ts'
import { type QdrantStandIn, startQdrantStandIn } from './stand-ins/qdrant/start.ts'

export interface Stage {
  server: QdrantStandIn
  client: QdrantClient
  repository: Repository
  scratchRoot: string
  driver: SourceDriver
  /** From here on a driver with this in its configuration. */
  configure(more: Record<string, unknown>, at?: string | string[]): Promise<SourceDriver>
  point(): Promise<Manifest>
  artifacts(): ReturnType<typeof createSource>
  /** Restored, compared in full, and removed. */
  proof(manifest: Manifest): Promise<Assertion[]>
  /** A live restore up to its swap, which may be called again. */
  aside(manifest: Manifest, choice?: RestoreChoice): Promise<{ swap(): Promise<Swapped>; remove(): Promise<void> }>
  /** Files in the folder of snapshots, also of collections that are no more. */
  snapshotFiles(): Promise<string[]>
  close(): Promise<void>
}

let runs = 0

/** `docs` with everything, and `images` with little. */
export async function openStage(options: { apiKey?: string } = {}): Promise<Stage> {
  const server = await startQdrantStandIn(options)
  const client = clientOf(server.url, options.apiKey)
  const scratchRoot = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  const repository = await openRepository()
  await fillRich(client, 'docs')
  await fillPlain(client, 'images')
  const stage: Stage = {
    server,
    client,
    repository,
    scratchRoot,
    driver: await qdrantDriver(qdrantConfig(server.url, scratchRoot, options)),
    async configure(more, at = server.url) {
      stage.driver = await qdrantDriver(qdrantConfig(at, scratchRoot, { ...options, ...more }))
      return stage.driver
    },
    point: () => takePoint(stage.driver, repository, nextRequest()),
    artifacts: () => createSource({ store: repository.store, identityFile: repository.identity.file }),
    async proof(manifest) {
      const dir = join(scratchRoot, `proof-${++runs}`)
      const { target } = await stage.driver.restore(contextFor(), manifest, stage.artifacts(), { dir })
      const assertions = await stage.driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] })
      await stage.driver.destroy({ dir })
      return assertions
    },
    async aside(manifest, choice = {}) {
      const live = stage.driver.live as LiveRestore
      const confirm = await live.fingerprint()
      await live.check(manifest, confirm, choice)
      const place = { dir: join(scratchRoot, `restore-${++runs}`), choice }
      const { oid } = await live.restoreAside(contextFor(), manifest, stage.artifacts(), place)
      return {
        swap: () => live.swap(manifest, confirm, oid, { context: contextFor(), source: stage.artifacts(), ...place }),
        remove: () => live.removeAside(manifest, place),
      }
    },
    async snapshotFiles() {
      const entries = await readdir(join(server.dir, 'snapshots'), { recursive: true, withFileTypes: true })
      return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
    },
    async close() {
      await server.stop()
      for (const dir of [scratchRoot, repository.dir]) await rm(dir, { recursive: true, force: true })
    },
  }
  return stage
}
