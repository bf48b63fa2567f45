/** Restores and proofs through Holdfast against a bare restore that ends at the same place: a server that answers. */
import { appendFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Manifest } from '../../src/core/records.ts'
import type { SourceDriver } from '../../src/drivers/driver.ts'
import { LOAD_SETTINGS } from '../../src/drivers/postgres-logical/restore.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import { freePort } from '../toolbox/ports.ts'
import { type Cluster, createCluster, openCluster, postgresCommand, postgresFolder, settingsLines } from '../toolbox/postgres.ts'
import { openPipe } from './bare.ts'
import type { Bench } from './bench.ts'
import { BUCKET, DATABASE } from './names.ts'
import { pgbackrest } from './physical.ts'
import { alternate, busyText, type Samples, type Variant } from './rounds.ts'
import { compared } from './rows.ts'
import type { BenchSource } from './source.ts'

export interface Wanted {
  /** The row of the restore alone. */
  restore: boolean
  /** The rows of verifyRestore. */
  verify: boolean
}

export async function benchPhysicalRestore(bench: Bench, source: BenchSource, wanted: Wanted): Promise<void> {
  bench.say('a physical point to restore')
  const manifest = await source.take(source.physicalBarrier)
  const bare = 'pgbackrest restore, and a server started on it that replays to the same mark'
  const samples = await measure(bench, source, {
    driver: source.physicalBarrier,
    manifest,
    bare: barePhysical(bench, source, manifest),
    wanted,
  })
  if (wanted.restore) {
    bench.add(
      compared(
        {
          name: 'physical restore',
          against: bare,
          limit: `${busyText(samples, 'restore', bench.cores)}; beside the copy: the set is compared with the manifest, the archive is listed, and where replay stopped is read back`,
        },
        samples.seconds['restore'] ?? [],
        samples.seconds['bare'] ?? [],
        { factor: 1.05, plusSeconds: 2 },
      ),
    )
  }
  if (wanted.verify) verifyRows(bench, samples, 'physical', bare, 'amcheck of all tables and indexes and the checksum of every page')
}

export async function benchLogicalRestore(bench: Bench, source: BenchSource): Promise<void> {
  bench.say('a dump to restore')
  const manifest = await source.take(source.logical)
  const bare = 'a node script of the SDK | age -d | zstd -d > file, initdb, a server, pg_restore -j2 from that file'
  const wanted = { restore: true, verify: true }
  const samples = await measure(bench, source, { driver: source.logical, manifest, bare: bareLogical(bench, source, manifest), wanted })
  bench.add(
    compared(
      {
        name: 'logical restore',
        against: bare,
        limit: `${busyText(samples, 'restore', bench.cores)}; the server builds its indexes; BLAKE3 of what is read, roles and vacuumdb --analyze-only are in it`,
      },
      samples.seconds['restore'] ?? [],
      samples.seconds['bare'] ?? [],
      { factor: 1.05 },
    ),
  )
  verifyRows(bench, samples, 'logical', bare, 'content digests of all rows, the definitions, and amcheck of all tables and indexes')
}

function verifyRows(bench: Bench, samples: Samples, what: string, against: string, full: string): void {
  for (const depth of ['full', 'restore'] as const) {
    const reads = depth === 'full' ? `${full} read all of it again` : 'the restore itself, and what the assertions of this depth read'
    bench.add(
      compared(
        {
          name: `verifyRestore of a ${what} point, depth ${depth}`,
          against,
          limit: `${busyText(samples, `depth ${depth}`, bench.cores)}; ${reads}`,
        },
        samples.seconds[`depth ${depth}`] ?? [],
        samples.seconds['bare'] ?? [],
        { factor: 1.1 },
      ),
    )
  }
}

interface Measured {
  driver: SourceDriver
  manifest: Manifest
  bare: Variant
  wanted: Wanted
}

async function measure(bench: Bench, source: BenchSource, { driver, manifest, bare, wanted }: Measured): Promise<Samples> {
  const { context, artifacts } = source
  const dir = join(bench.dir, 'scratch', 'hf')
  const destroy = () => driver.destroy({ dir })
  bench.cleanup.add(destroy)
  const proof = (depth: 'restore' | 'full'): Variant => ({
    name: `depth ${depth}`,
    run: async () => {
      const { target } = await driver.restore(context, manifest, artifacts, { dir })
      const failed = (await driver.verify(context, manifest, target, { depth, assertions: [] })).filter(({ ok }) => !ok)
      if (failed.length > 0) throw new Error(`the proof failed: ${failed.map(({ name, actual }) => `${name}: ${actual}`).join('; ')}`)
    },
    after: destroy,
  })
  const restore: Variant = { name: 'restore', run: () => driver.restore(context, manifest, artifacts, { dir }), after: destroy }
  const proofs = wanted.verify ? [proof('restore'), proof('full')] : []
  return alternate([bare, ...(wanted.restore ? [restore] : []), ...proofs], bench)
}

/** The backup that the point references, to its mark. */
function barePhysical(bench: Bench, source: BenchSource, manifest: Manifest): Variant {
  const dir = join(bench.dir, 'scratch', 'bare')
  const { reference, consistency } = manifest
  let copy: Cluster | undefined
  const end = async () => {
    await copy?.destroy()
    await rm(dir, { recursive: true, force: true })
  }
  bench.cleanup.add(end)
  return {
    name: 'bare',
    before: async () => {
      await postgresFolder(dir, 0o755)
      await postgresFolder(join(dir, 'data'))
      await postgresFolder(join(dir, 'socket'), 0o755)
    },
    run: async (lap) => {
      const dataDir = join(dir, 'data')
      const to = ['--type=name', `--target=${consistency.restorePoint}`, '--target-action=pause', '--archive-mode=off']
      const own = [`--pg1-path=${dataDir}`, `--lock-path=${dir}/lock`]
      await pgbackrest(source, [`--set=${reference?.label}`, ...to, ...own, 'restore'], bench.signal)
      lap('bare files')
      const port = await freePort()
      const settings = { port: String(port), unix_socket_directories: join(dir, 'socket'), fsync: 'off' }
      await appendFile(join(dataDir, 'postgresql.conf'), settingsLines(settings))
      const started = openCluster({ dir, address: source.cluster.address, port })
      copy = started
      await started.start()
      await until(async () => (await started.query('select pg_get_wal_replay_pause_state() as state'))[0]?.['state'] === 'paused', {
        timeoutMs: 600_000,
        what: 'the bare copy to reach its mark',
        signal: bench.signal,
      })
    },
    after: end,
  }
}

function bareLogical(bench: Bench, source: BenchSource, manifest: Manifest): Variant {
  const { dir, signal } = bench
  const { s3, identityFile } = source
  const folder = join(dir, 'scratch', 'bare')
  const key = manifest.artifacts.find(({ role }) => role === 'database')?.key ?? ''
  let pipe: Awaited<ReturnType<typeof openPipe>> | undefined
  let copy: Cluster | undefined
  const end = async () => {
    await pipe?.end()
    await copy?.destroy()
    await rm(folder, { recursive: true, force: true })
  }
  bench.cleanup.add(end)
  return {
    name: 'bare',
    before: async () => {
      await postgresFolder(folder, 0o755)
      pipe = await openPipe('get', { dir, s3, bucket: BUCKET, key, signal })
    },
    run: async () => {
      const file = join(folder, 'dump')
      await pipe?.run('age -d -i "$IDENTITY" | zstd -q -d -c > "$FILE"', { IDENTITY: identityFile, FILE: file })
      copy = await createCluster({ dir: folder, settings: LOAD_SETTINGS, dbname: DATABASE })
      const target = ['-h', copy.address, '-p', String(copy.port), '-U', copy.user, '-d', DATABASE]
      await run(postgresCommand('pg_restore', ['-j2', '--exit-on-error', ...target, file]), { signal })
    },
    after: end,
  }
}
