/** How the archive of a pair takes and gives WAL on one host, from the configuration of its physical source. */
import { dirname } from 'node:path'
import type { Config, FailoverGroupConfig } from '../src/config/schema.ts'
import type { Command } from '../src/process/command.ts'
import { run } from '../src/process/run.ts'
import { giveTo, postgresUser } from '../src/drivers/postgres-common/folder.ts'
import type { ArchivePush } from '../src/failover/database/drain.ts'
import { withControlView } from '../src/failover/database/control-data.ts'
import { foldersOf } from '../src/failover/database/rebuild-folders.ts'
import type { Site } from '../src/failover/database/site.ts'
import type { ArchiveGet } from '../src/failover/database/wal-files.ts'

export interface PairArchive {
  push: ArchivePush
  get: ArchiveGet
  /** The restore_command of a rewind, which happens beside the data directory: `%f` and `%p` are PostgreSQL's. */
  restoreCommand: string
}

/** Undefined where the pair has no archive: then only what streams is known. */
export function archiveOf(config: Config, group: FailoverGroupConfig, site: Site): PairArchive | undefined {
  const source = group.source ? config.sources[group.source] : undefined
  if (source?.driver !== 'postgres-physical') return undefined
  const configFile = site.pgbackrestConfig ?? source.pgbackrestConfig
  const user = postgresUser(site.osUser)
  const base = [
    `--config=${configFile}`,
    `--stanza=${source.stanza}`,
    '--log-level-file=off',
    '--log-level-console=off',
    '--log-level-stderr=warn',
  ]
  const command = (args: string[]): Command => ({ program: 'pgbackrest', args: [...base, ...args], cwd: '/', user, env: { LC_ALL: 'C' } })
  return {
    push: ({ path, pgPath }) => command([`--pg1-path=${pgPath}`, 'archive-push', path]),
    async get(segment, into) {
      if (user) await giveTo(user, dirname(into))
      // 1 is pgBackRest's word for "the archive has none". A fenced site has no control file where pgBackRest looks for it.
      const { exitCode } = await withControlView(site, (pgPath) =>
        run(command([`--pg1-path=${pgPath}`, 'archive-get', segment, into]), {
          accept: [0, 1],
          ...(site.signal && { signal: site.signal }),
        }),
      )
      return exitCode === 0
    },
    restoreCommand: `pgbackrest ${[...base, `--pg1-path=${foldersOf(site.dataDir).rebuild}`].join(' ')} archive-get %f "%p"`,
  }
}
