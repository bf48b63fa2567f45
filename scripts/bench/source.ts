/** One database of the size asked for, its stanza and its bucket: what the backups and restores are measured on. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { logicalSource, physicalSource } from '../../src/config/schema.ts'
import type { PointKind } from '../../src/core/ids.ts'
import type { Manifest } from '../../src/core/records.ts'
import { VERSION } from '../../src/core/version.ts'
import type { ArtifactSource, DriverContext, SourceDriver } from '../../src/drivers/driver.ts'
import { createPostgresLogical } from '../../src/drivers/postgres-logical/index.ts'
import { createPostgresPhysical } from '../../src/drivers/postgres-physical/index.ts'
import { createSink } from '../../src/pipeline/capture.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { run } from '../../src/process/run.ts'
import { createRetryingStore } from '../../src/storage/retrying.ts'
import { createS3Store } from '../../src/storage/s3.ts'
import type { Store } from '../../src/storage/store.ts'
import { findProgram } from '../toolbox/find.ts'
import { archiveCommand, createStanza, writePgbackrestConfig } from '../toolbox/pgbackrest.ts'
import { type Cluster, createCluster, OS_USER } from '../toolbox/postgres.ts'
import { type S3Server, startS3 } from '../toolbox/s3.ts'
import type { Bench } from './bench.ts'
import { fill } from './fill.ts'
import { BUCKET, DATABASE, STANZA } from './names.ts'

export interface BenchSource {
  cluster: Cluster
  s3: S3Server
  store: Store
  recipient: string
  identityFile: string
  backrestConfig: string
  logical: SourceDriver
  physical: SourceDriver
  /** The same with a barrier: its proofs compare contents. */
  physicalBarrier: SourceDriver
  artifacts: ArtifactSource
  context: DriverContext
  /** Preflight and capture, as the dump activity does them, under an id that was not used before. */
  take(driver: SourceDriver, kind?: PointKind): Promise<Manifest>
  /** Removes what a backup stored beside pgBackRest's repository. */
  forget(manifest: Manifest): Promise<void>
  servers(): number[]
}

export async function startSource(bench: Bench): Promise<BenchSource> {
  const { dir, say, cleanup, signal } = bench
  say('starting the S3 server')
  const s3 = await startS3({ dir: join(dir, 's3') })
  cleanup.add(() => s3.stop())
  await s3.createBucket(BUCKET)
  const store = openBucket(s3)
  cleanup.add(async () => store.close())
  const identityFile = join(dir, 'identity.txt')
  await run({ program: findProgram('age-keygen'), args: ['-o', identityFile] })
  const recipient = (await run({ program: findProgram('age-keygen'), args: ['-y', identityFile] })).stdout.trim()
  say('starting the database')
  const cluster = await createCluster({
    dir: join(dir, 'cluster'),
    dbname: DATABASE,
    // Nothing but the benchmark is to work there.
    settings: {
      autovacuum: 'off',
      shared_buffers: '128MB',
      max_wal_size: '4GB',
      checkpoint_timeout: '1h',
      archive_mode: 'on',
      archive_command: '/bin/true',
    },
  })
  cleanup.add(() => cluster.destroy())
  await fill(cluster, bench)
  const backrestConfig = await archived(cluster, s3, dir)
  const common = { connection: 'given', repository: 'hot', osUser: OS_USER }
  const physical = { ...common, driver: 'postgres-physical', host: 'bench', stanza: STANZA, pgbackrestConfig: backrestConfig }
  const context = { signal, onProgress: () => {} }
  const taken = { store, recipient, context }
  return {
    cluster,
    s3,
    store,
    recipient,
    identityFile,
    backrestConfig,
    context,
    logical: createPostgresLogical(logicalSource.parse({ ...common, driver: 'postgres-logical' }), cluster.connection(DATABASE)),
    physical: createPostgresPhysical(physicalSource.parse(physical), cluster.connection(DATABASE)),
    physicalBarrier: createPostgresPhysical(physicalSource.parse({ ...physical, barrier: true }), cluster.connection(DATABASE)),
    artifacts: createSource({ store, identityFile, signal }),
    take: (driver, kind = 'manual') => take(taken, driver, kind),
    async forget({ artifacts }) {
      for (const { key } of artifacts) await store.delete(key)
    },
    servers: () => [cluster.pid, s3.pid].filter((pid) => pid !== undefined),
  }
}

export function openBucket(s3: S3Server): Store {
  const { endpoint, caFile, accessKeyId, secretAccessKey } = s3
  return createRetryingStore(
    createS3Store({
      bucket: BUCKET,
      region: 'us-east-1',
      endpoint,
      prefix: '',
      ...(caFile ? { caFile } : {}),
      credentials: { accessKeyId, secretAccessKey },
    }),
  )
}

/** Archiving begins behind the load, whose WAL no backup needs. */
async function archived(cluster: Cluster, s3: S3Server, dir: string): Promise<string> {
  const file = await writePgbackrestConfig({
    dir: join(dir, 'backrest'),
    stanza: STANZA,
    pg: { path: cluster.dataDir, port: cluster.port, socketDir: cluster.socketDir },
    repo: {
      type: 's3',
      bucket: BUCKET,
      endpoint: s3.endpoint,
      ...(s3.caFile ? { caFile: s3.caFile } : {}),
      accessKeyId: s3.accessKeyId,
      secretAccessKey: s3.secretAccessKey,
    },
    cipherPass: 'a passphrase of the benchmarks',
    settings: { 'process-max': '2', 'compress-type': 'zst' },
  })
  await createStanza(file, STANZA)
  await cluster.query(`alter system set archive_command = '${archiveCommand(file, STANZA)}'`)
  await cluster.query('select pg_reload_conf()')
  await mkdir(join(dir, 'scratch'), { recursive: true, mode: 0o755 })
  return file
}

let points = 0

async function take(
  { store, recipient, context }: Pick<BenchSource, 'store' | 'recipient' | 'context'>,
  driver: SourceDriver,
  kind: PointKind,
): Promise<Manifest> {
  const id = `20260101_${String(++points).padStart(6, '0')}_${kind}`
  const startedAt = new Date().toISOString()
  const { versions } = await driver.preflight(context)
  const sink = createSink({ store, prefix: `holdfast/v1/bench/${id}/data/`, attempt: 1, recipients: [recipient], signal: context.signal })
  const captured = await driver.capture(context, { id, kind, attempt: 1 }, sink)
  const { artifacts, storedBytes = artifacts.reduce((sum, artifact) => sum + artifact.storedBytes, 0), ...rest } = captured
  return {
    ...{ format: 'holdfast/v1', type: 'manifest', source: 'bench', id, driver: driver.kind, kind },
    ...{ createdAt: startedAt, completedAt: new Date().toISOString(), holdfastVersion: VERSION, workflowId: 'bench', runId: 'bench' },
    ...rest,
    artifacts,
    storedBytes,
    versions,
    ...{ tags: [], parents: [], encryption: { recipients: [recipient] } },
  } as Manifest
}
