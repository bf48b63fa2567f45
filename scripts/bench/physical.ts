/** Physical backups through Holdfast against `pgbackrest backup` of the same stanza into the same repository. */
import { run } from '../../src/process/run.ts'
import { findProgram } from '../toolbox/find.ts'
import { OS_USER } from '../toolbox/postgres.ts'
import type { Bench } from './bench.ts'
import { STANZA } from './names.ts'
import { alternate, cpuText } from './rounds.ts'
import { compared } from './rows.ts'
import type { BenchSource } from './source.ts'

export async function benchPhysicalBackup(bench: Bench, source: BenchSource): Promise<void> {
  const samples = await alternate(
    [
      { name: 'pgbackrest backup', run: () => pgbackrest(source, ['--type=full', '--no-expire-auto', 'backup'], bench.signal) },
      { name: 'physical', run: () => source.take(source.physical) },
      { name: 'physical with barrier', run: () => source.take(source.physicalBarrier) },
    ],
    { ...bench, servers: source.servers },
  )
  const { seconds } = samples
  const row = (name: string, label: string, why: string) =>
    bench.add(
      compared(
        {
          name: label,
          against: 'pgbackrest --type=full backup, of the same stanza into the same encrypted S3 repository',
          limit: `${cpuText(samples, name, 'pgbackrest backup', bench.cores)}; ${why}`,
        },
        seconds[name] ?? [],
        seconds['pgbackrest backup'] ?? [],
        { factor: 1.05, plusSeconds: 2 },
      ),
    )
  const calls =
    "beside the copy: a preflight, the mark and its segment's way into the archive, and some ten calls of pgbackrest for info and manifests"
  row('physical', 'physical backup', calls)
  row(
    'physical with barrier',
    'physical backup with barrier',
    `${calls}; the contents are digested behind a short lock, so that a proof can compare them`,
  )
}

export async function pgbackrest({ backrestConfig }: BenchSource, words: string[], signal: AbortSignal): Promise<void> {
  const args = [`--config=${backrestConfig}`, `--stanza=${STANZA}`, '--log-level-console=warn', '--log-level-file=off', ...words]
  await run({ program: findProgram('pgbackrest'), args, cwd: '/', user: OS_USER }, { signal })
}
