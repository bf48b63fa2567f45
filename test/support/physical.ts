/** A real cluster that archives through pgBackRest, with a driver on it; and points of it as manifests. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { archiveCommand, type BackrestRepo, createStanza, writePgbackrestConfig } from '../../scripts/toolbox/pgbackrest.ts'
import { freePort } from '../../scripts/toolbox/ports.ts'
import { type Cluster, createCluster, reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { type PhysicalSourceConfig, physicalSource } from '../../src/config/schema.ts'
import type { PointKind } from '../../src/core/ids.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { ArtifactSource, DriverContext, RestoreTarget } from '../../src/drivers/driver.ts'
import { withClient } from '../../src/drivers/postgres-common/connect.ts'
import { createPostgresPhysical, type PhysicalDriver } from '../../src/drivers/postgres-physical/index.ts'
import { createSink } from '../../src/pipeline/capture.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { createMemoryStore, type MemoryStore } from '../../src/storage/memory.ts'
import { type Identity, makeIdentity } from './age.ts'
import { callService, pgService } from './pg-service.ts'

export interface PhysicalSource {
  root: string
  cluster: Cluster
  config: PhysicalSourceConfig
  configFile: string
  driver: PhysicalDriver
  store: MemoryStore
  artifacts: ArtifactSource
  identity: Identity
  /** Takes a point: the id is the test's own, so that tries of one point can be told from points. */
  take(id: string, kind: PointKind, options?: { attempt?: number; driver?: PhysicalDriver; signal?: AbortSignal }): Promise<Manifest>
  /** A folder for a copy; destroyed with the source at the latest. */
  scratch(): string
  destroy(): Promise<void>
}

export const STANZA = 'orders'

/** Tests end nothing early and look at no progress. */
export function quiet(signal = new AbortController().signal): DriverContext {
  return { signal, onProgress: () => {} }
}

export async function createPhysicalSource(
  options: {
    repo?: (root: string) => BackrestRepo
    cipherPass?: string
    config?: Partial<PhysicalSourceConfig>
    settings?: Record<string, string>
    /** The source says where its data directory is, and how its server is stopped and started. */
    live?: boolean
  } = {},
): Promise<PhysicalSource> {
  const root = await reachableFolder('holdfast-physical-')
  const port = await freePort()
  const dir = join(root, 'cluster')
  await mkdir(dir)
  const repo = options.repo?.(root) ?? { type: 'posix' as const, path: join(root, 'repo') }
  const pg = { path: join(dir, 'data'), port, socketDir: join(dir, 'socket') }
  const configFile = await writePgbackrestConfig({
    dir: join(root, 'backrest'),
    stanza: STANZA,
    pg,
    repo,
    // A file that cannot be restored is no better after a pause of 15 s.
    settings: { 'job-retry': '0' },
    ...(options.cipherPass ? { cipherPass: options.cipherPass } : {}),
  })
  const cluster = await createCluster({
    dir,
    port,
    settings: { archive_mode: 'on', archive_command: archiveCommand(configFile, STANZA), archive_timeout: '3600', ...options.settings },
  })
  const service = pgService(pg.path)
  const store = createMemoryStore()
  const identity = await makeIdentity(root)
  const config = physicalSource.parse({
    driver: 'postgres-physical',
    connection: 'unused',
    repository: 'hot',
    host: 'db1',
    stanza: STANZA,
    pgbackrestConfig: configFile,
    barrier: true,
    ...(options.live && { dataDir: pg.path, service }),
    ...options.config,
  })
  const driver = createPostgresPhysical(config, cluster.connection())
  let copies = 0
  const scratches: string[] = []
  await createStanza(configFile, STANZA).catch(async (error: unknown) => {
    await cluster.destroy()
    await rm(root, { recursive: true, force: true })
    throw error
  })
  return {
    root,
    cluster,
    config,
    configFile,
    driver,
    store,
    identity,
    artifacts: createSource({ store, identityFile: identity.file }),
    async take(id, kind, given = {}) {
      const attempt = given.attempt ?? 1
      const sink = createSink({ store, prefix: `holdfast/v1/orders/${id}/data/`, attempt, recipients: [identity.recipient] })
      const startedAt = new Date().toISOString()
      const captured = await (given.driver ?? driver).capture(quiet(given.signal), { id, kind, attempt }, sink)
      return manifestOf(id, kind, startedAt, captured)
    },
    scratch() {
      const scratch = join(root, `copy-${++copies}`)
      scratches.push(scratch)
      return scratch
    },
    async destroy() {
      for (const scratch of scratches) await driver.destroy({ dir: scratch })
      if (options.live) await callService(service.stop)
      await cluster.destroy()
      await rm(root, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

type Captured = Awaited<ReturnType<PhysicalDriver['capture']>>

function manifestOf(id: string, kind: PointKind, createdAt: string, captured: Captured): Manifest {
  const { artifacts, reference, consistency, content, sizeBytes, storedBytes = 0, fileCount, warnings } = captured
  return {
    format: 'holdfast/v1',
    type: 'manifest',
    source: 'orders',
    id,
    driver: 'postgres-physical',
    kind,
    createdAt,
    completedAt: new Date().toISOString(),
    tags: [],
    holdfastVersion: 'test',
    sizeBytes,
    storedBytes,
    fileCount,
    artifacts,
    consistency,
    versions: {},
    encryption: { recipients: [] },
    parents: [],
    warnings,
    workflowId: 'w',
    runId: 'r',
    ...(reference ? { reference } : {}),
    ...(content ? { content } : {}),
  }
}

/** Restores, looks, destroys. */
export async function inCopy<T>(
  source: PhysicalSource,
  manifest: Manifest,
  options: { to?: RestoreTarget; promote?: boolean; driver?: PhysicalDriver },
  look: (copy: Awaited<ReturnType<PhysicalDriver['restore']>>, rows: (sql: string) => Promise<Record<string, unknown>[]>) => Promise<T>,
): Promise<T> {
  const { driver = source.driver, ...restoring } = options
  const dir = source.scratch()
  try {
    const copy = await driver.restore(quiet(), manifest, source.artifacts, { dir, ...restoring })
    return await look(copy, (sql) =>
      withClient(copy.target.connection, {}, async (client) => (await client.query(sql)).rows as Record<string, unknown>[]),
    )
  } finally {
    await driver.destroy({ dir })
  }
}

/** Pids of pgBackRest commands of this source, by their arguments. */
export async function backrestPids(configFile: string, command: string): Promise<number[]> {
  const found: number[] = []
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const words = (await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')).split('\0')
    if (words[0]?.endsWith('pgbackrest') && words.includes(`--config=${configFile}`) && words.includes(command)) found.push(Number(entry))
  }
  return found
}
