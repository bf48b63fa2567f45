/** A dump through Holdfast against the pipe that anybody could write in a shell. */
import { createSink } from '../../src/pipeline/capture.ts'
import type { Manifest } from '../../src/core/records.ts'
import { POSTGRES_BIN } from '../toolbox/postgres.ts'
import { type BarePipe, openPipe } from './bare.ts'
import type { Bench } from './bench.ts'
import { BUCKET, DATABASE } from './names.ts'
import { alternate, cpuText } from './rounds.ts'
import { compared } from './rows.ts'
import type { BenchSource } from './source.ts'

const AGAINST = 'pg_dump -Fc -Z0 | zstd -3 | age | a node script of the SDK with 8 MiB parts, 4 at once, no digests'
const KEY = 'bare/dump.zst.age'

export async function benchLogical(bench: Bench, source: BenchSource): Promise<void> {
  const { dir, signal, cores } = bench
  const { s3, store, recipient } = source
  const dump = { program: `${POSTGRES_BIN}/pg_dump`, args: ['-Fc', '-Z0', ...target(source)] }
  let pipe: BarePipe | undefined
  let manifest: Manifest | undefined
  const samples = await alternate(
    [
      {
        name: 'bare pipe',
        before: async () => {
          pipe = await openPipe('put', { dir, s3, bucket: BUCKET, key: KEY, signal })
        },
        run: async () => pipe?.run(barePipe(source), { RECIPIENT: recipient }),
        cpuBefore: () => pipe?.loadCpu ?? 0,
        after: async () => {
          await pipe?.end()
          await store.delete(KEY)
        },
      },
      {
        name: 'pipeline',
        run: async () => {
          const sink = createSink({ store, prefix: 'pipeline/', attempt: 1, recipients: [recipient], signal })
          await sink.store({ part: 'database', role: 'database', required: true, stages: [dump] })
        },
        after: async () => void (await store.delete('pipeline/database.zst.age')),
      },
      {
        name: 'driver',
        run: async () => {
          manifest = await source.take(source.logical)
        },
        after: async () => {
          if (manifest) await source.forget(manifest)
        },
      },
    ],
    { ...bench, servers: source.servers },
  )
  const stored = manifest ? `${Math.round(manifest.storedBytes / 1e6)} MB stored of ${Math.round(manifest.sizeBytes / 1e6)} MB` : ''
  const { seconds } = samples
  bench.add(
    compared(
      {
        name: 'logical backup, without content digests',
        against: AGAINST,
        limit: `${cpuText(samples, 'pipeline', 'bare pipe', cores)}; the server's backend, pg_dump and zstd share the cores; BLAKE3 and CRC32 of what is stored are in it`,
      },
      seconds['pipeline'] ?? [],
      seconds['bare pipe'] ?? [],
      { factor: 1.05 },
    ),
  )
  bench.add(
    compared(
      {
        name: 'logical backup',
        against: `${AGAINST}; it takes no content digests, no globals and looks at nothing first`,
        limit: `${cpuText(samples, 'driver', 'bare pipe', cores)}; every table is read a second time in the same snapshot, for the digests that a proof compares; ${stored}`,
      },
      seconds['driver'] ?? [],
      seconds['bare pipe'] ?? [],
      { factor: 1.05 },
    ),
  )
}

function target({ cluster }: BenchSource): string[] {
  return ['-h', cluster.address, '-p', String(cluster.port), '-U', cluster.user, '-d', DATABASE]
}

export function barePipe(source: BenchSource): string {
  return `${POSTGRES_BIN}/pg_dump -Fc -Z0 ${target(source).join(' ')} | zstd -q -3 -T1 -c | age -e -r "$RECIPIENT"`
}
