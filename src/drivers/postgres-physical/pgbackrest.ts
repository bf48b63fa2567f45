/** The engine on pgBackRest. It expires nothing by itself, whatever its configuration says. */
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import { shellWord } from '../../core/shell.ts'
import type { BackupOptions, BackupType, EngineBackup, EngineInfo, EngineRestore, PhysicalEngine } from './engine.ts'
import { archiveMethods } from './pgbackrest-archive.ts'
import { type Caller, createCaller, linesOf, type PgbackrestOptions } from './pgbackrest-call.ts'
import { readBackrestConfig, repositoryOf, settingsOf } from './pgbackrest-config.ts'
import { ANNOTATION, GIVEN_UP, parseInfo } from './pgbackrest-info.ts'
import { verify } from './pgbackrest-verify.ts'

const TYPE = { full: 'full', incremental: 'incr', differential: 'diff' } as const

export function createPgbackrest(options: PgbackrestOptions): PhysicalEngine {
  const caller = createCaller(options)
  const { call, stanza } = caller
  const settings = async () => settingsOf(await readBackrestConfig(options.configFile), stanza)
  const info = async (): Promise<EngineInfo> => parseInfo((await call('info', ['--output=json'])).stdout, stanza)
  return {
    kind: 'pgbackrest',
    stanza,
    info,
    ...archiveMethods(caller, options.segmentBytes),
    ...expiryMethods(caller, info),
    ...manifestMethods(caller),
    version: async () =>
      /pgBackRest (\S+)/.exec((await run({ program: 'pgbackrest', args: ['version'], cwd: '/' })).stdout)?.[1] ?? 'unknown',
    backup: (type, backup) => takeBackup(caller, info, type, backup),
    restore: (restore) => restoreFiles(caller, restore),
    restoreCommand: (place) => restoreCommand(caller, place),
    verify: (options) => verify(caller, options),
    check: async () => void (await call('check', [])),
    repository: async () => repositoryOf(await settings()),
    passphrase: async () => (await settings())['repo1-cipher-pass'],
  }
}

async function takeBackup(
  { watch, stanza }: Caller,
  info: () => Promise<EngineInfo>,
  type: BackupType,
  { pointId, ...watcher }: BackupOptions,
): Promise<EngineBackup> {
  const take = (wanted: BackupType) =>
    watch('backup', [`--type=${TYPE[wanted]}`, '--no-expire-auto', `--annotation=${ANNOTATION}=${pointId}`], {
      phase: 'backup',
      ...watcher,
    })
  await take(type).catch((error: unknown) => {
    if (type !== 'full' && buildsOnTooOld(error)) return take('full')
    throw error
  })
  const taken = (await info()).backups.findLast((backup) => backup.pointId === pointId)
  if (taken) return taken
  throw new HoldfastError('INTEGRITY', `pgBackRest reported success, and no backup of ${stanza} is annotated ${ANNOTATION}=${pointId}`, {
    object: stanza,
  })
}

/**
 * A newer full backup was there and is expired: pgBackRest remembers its label, and as an incremental's begins with that
 * of the older full, it would refuse every one until the next full backup.
 */
function buildsOnTooOld(error: unknown): boolean {
  return error instanceof HoldfastError && /is not later than latest backup label/.test(String(error.details.stderr ?? ''))
}

/** Locks and logs of its own: a restore beside a live cluster takes nothing of the live one's. */
const ownPaths = (workDir: string) => [`--lock-path=${workDir}/lock`, `--log-path=${workDir}/log`]

async function restoreFiles({ watch }: Caller, { label, dataDir, workDir, ...watcher }: EngineRestore): Promise<void> {
  // It clears the spool of its stanza: the default one is the live cluster's, and closed to other users.
  const own = [...ownPaths(workDir), `--spool-path=${workDir}/spool`]
  const place = [`--pg1-path=${dataDir}`, `--tablespace-map-all=${workDir}/tablespaces`, ...own]
  await watch('restore', [`--set=${label}`, '--type=default', '--archive-mode=off', ...place], { phase: 'restore', ...watcher }, workDir)
}

// Not asynchronous: the process that fetches ahead would outlive the copy.
function restoreCommand({ base }: Caller, { dataDir, workDir }: { dataDir: string; workDir: string }): string {
  const words = [
    'pgbackrest',
    ...base,
    `--pg1-path=${dataDir}`,
    ...ownPaths(workDir),
    '--no-archive-async',
    '--log-level-console=off',
    'archive-get',
  ]
  return `${words.map(quoted).join(' ')} %f "%p"`
}

/** A word of the shell command that PostgreSQL runs, in which `%` is its own. */
function quoted(word: string): string {
  return shellWord(word.replaceAll('%', '%%'))
}

/** So many are kept that `expire` removes none by a rule of the configuration. */
const KEEP = ['--repo1-retention-full-type=count', '--repo1-retention-full=9999999', '--repo1-retention-diff=9999999']

function expiryMethods(
  { call }: Caller,
  info: () => Promise<EngineInfo>,
): Pick<PhysicalEngine, 'expire' | 'expireWal' | 'dependentsOf' | 'giveUp'> {
  /** By the engine's own list: what is no recovery point depends on others just the same. */
  const dependentsOf = async (label: string) =>
    (await info()).backups.filter(({ needs }) => needs.includes(label)).map((backup) => backup.label)
  return {
    dependentsOf,
    async giveUp(label) {
      await call('annotate', [`--set=${label}`, `--annotation=${GIVEN_UP}=yes`])
    },
    async expire(label) {
      const { backups } = await info()
      if (!backups.some((backup) => backup.label === label)) return
      // pgBackRest would remove them too, without a word.
      const dependents = await dependentsOf(label)
      if (dependents.length > 0) {
        throw new HoldfastError('POINT_PROTECTED', `the backup ${label} is needed by ${dependents.join(', ')}`, {
          object: label,
          next: 'delete the recovery points that need it first',
          details: { dependents },
        })
      }
      await call('expire', [`--set=${label}`, ...KEEP, '--repo1-retention-archive=9999999'])
    },
    async expireWal(keepFulls) {
      await call('expire', [...KEEP, '--repo1-retention-archive-type=full', `--repo1-retention-archive=${keepFulls}`])
    },
  }
}

function manifestMethods({ stream, stanza }: Caller): Pick<PhysicalEngine, 'manifestDigest' | 'fileCount'> {
  const path = (label: string) => [`backup/${stanza}/${label}/backup.manifest`]
  return {
    async manifestDigest(label) {
      const hasher = new Blake3Hasher()
      await stream('repo-get', ['--raw'], path(label), async (stdout) => {
        for await (const chunk of stdout) hasher.update(chunk as Buffer)
      })
      return hasher.digest('hex')
    },
    async fileCount(label) {
      let section = ''
      let files = 0
      await stream('repo-get', [], path(label), async (stdout) => {
        for await (const line of linesOf(stdout)) {
          if (line.startsWith('[')) section = line
          else if (section === '[target:file]' && line.includes('=')) files += 1
        }
      })
      return files
    },
  }
}
