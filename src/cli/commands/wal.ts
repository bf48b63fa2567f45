/** wal-push, wal-fetch, wal-list: the log of an engine that ships it by commands of its own. They need no Temporal. */
import { constants } from 'node:os'
import { type Command, InvalidArgumentError } from 'commander'
import { createVerifier } from '../../catalog/signing.ts'
import { loadConfig } from '../../config/load.ts'
import { namesIn } from '../../config/logs.ts'
import { openSigner } from '../../config/signer.ts'
import { recipientsOf } from '../../config/recipients.ts'
import type { Config } from '../../config/schema.ts'
import { seconds } from '../../core/duration.ts'
import { EXIT, HoldfastError, messageOf } from '../../core/errors.ts'
import { openStore } from '../../storage/open.ts'
import type { Store } from '../../storage/store.ts'
import { type Contents, contentsOf } from '../../wal/contents.ts'
import { fetchWal } from '../../wal/fetch.ts'
import { pushWal } from '../../wal/push.ts'
import type { ReadingArchive } from '../../wal/record.ts'
import type { Action, Family } from '../build.ts'
import type { CommandContext } from '../context.ts'
import { plainFailure } from '../plain-failure.ts'
import { contentsLines } from '../wal-contents.ts'

/** What PostgreSQL takes as "there is no such file". */
const NOT_ARCHIVED = 1

export const WAL_FAMILY: Readonly<Record<string, Family>> = { 'A log that an engine ships:': addWalCommands }

function addWalCommands(program: Command, action: Action): void {
  program
    .command('wal-push <archive> <path>')
    .description('archive one file: 0 once it is durable, or was archived before with the same content; refuses other content')
    .action(
      action((context, archive: string, path: string) =>
        withArchive(context, archive, async ({ reading, store, config, signal }) => {
          const { signing, encryption } = config
          const recipients = recipientsOf(encryption)
          const { compressionLevel } = archiveOf(config, archive)
          const signer = await openSigner(signing)
          const pushed = await pushWal({ ...reading, store, signer, recipients, compressionLevel }, path, signal)
          context.output.result(pushed, [])
          return EXIT.ok
        }),
      ),
    )

  program
    .command('wal-fetch <archive> <name> <destination>')
    .description('bring one archived file: 1 where there is none; trouble is 200 and the usual exit code, so that no recovery ends early')
    .action(
      action((context, archive: string, name: string, destination: string) =>
        withArchive(context, archive, async ({ reading, config, signal }) => {
          const { identityFile } = config.encryption
          const record = await fetchWal({ ...reading, identityFile }, name, destination, signal)
          if (record) {
            context.output.result({ name, destination, plainBytes: record.artifact.plainBytes }, [])
            return EXIT.ok
          }
          const next = `holdfast wal-list ${archive} shows what there is`
          const failure = plainFailure('NOT_FOUND', `${archive} has no ${name}`, { object: name, next })
          context.output.failure({ ...failure, exitCode: NOT_ARCHIVED })
          return NOT_ARCHIVED
        }),
      ),
    )

  program
    .command('wal-list <archive>')
    .description('what an archive holds, by timeline or by what its names count; 3 where segments are missing in between')
    .option('--within <duration>', '3 too where nothing was archived for longer, like 5m', within)
    .option('--records', '3 too where a record cannot be read: read every one, and name those', false)
    .action(
      action((context, archive: string, options: { within?: number; records: boolean }) =>
        withArchive(context, archive, async ({ reading, config, signal }) => {
          const { records } = options
          const contents = await contentsOf(reading, { names: namesIn(config, archive), records, signal })
          const stale = isStale(contents, options.within)
          const said = stale ? [`STALE ${contents.newestAt === null ? 'nothing is archived' : `nothing since ${contents.newestAt}`}`] : []
          context.output.result({ archive, ...contents, stale }, [...contentsLines(contents), ...said])
          const gaps = [contents, ...contents.series].some((one) => one.gaps.length > 0)
          const unreadable = (contents.unreadable ?? []).length > 0
          return gaps || stale || unreadable ? EXIT.degraded : EXIT.ok
        }),
      ),
    )
}

/** Seconds; refused before anything is opened. */
function within(text: string): number {
  try {
    return seconds(text)
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error))
  }
}

const isStale = ({ newestAt }: Contents, limit: number | undefined): boolean =>
  limit !== undefined && (newestAt === null || Date.now() - Date.parse(newestAt) > limit * 1000)

interface Opened {
  reading: ReadingArchive
  store: Store
  config: Config
  signal: AbortSignal
}

async function withArchive(context: CommandContext, archive: string, use: (opened: Opened) => Promise<number>): Promise<number> {
  const config = await loadConfig(context.options.config)
  const repository = config.repositories[archiveOf(config, archive).repository]
  if (!repository) throw new HoldfastError('NOT_FOUND', `the archive "${archive}" names no repository`, { object: archive })
  const stop = awaitStop()
  try {
    const store = await openStore(repository)
    try {
      const verifier = createVerifier(config.signing.publicKeys)
      return await use({ reading: { archive, store, verifier }, store, config, signal: stop.signal })
    } finally {
      store.close()
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
    const exitCode = stop.exitCode()
    context.output.failure({ ...plainFailure('CANCELLED', `stopped before ${archive} was done`), exitCode })
    return exitCode
  } finally {
    stop.end()
  }
}

function archiveOf({ archives }: Config, name: string): Config['archives'][string] {
  const archive = archives[name]
  if (archive) return archive
  const next = `name one of archives in holdfast.yaml: ${Object.keys(archives).join(', ') || 'there is none'}`
  throw new HoldfastError('NOT_FOUND', `there is no archive "${name}"`, { object: name, next })
}

const STOPS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The exit code says which signal it was, as a shell does: PostgreSQL tells its own shutdown by it. */
function awaitStop(): { signal: AbortSignal; exitCode(): number; end(): void } {
  const stop = new AbortController()
  let number = 0
  const onSignal = (name: NodeJS.Signals) => {
    number ||= constants.signals[name]
    stop.abort()
  }
  for (const name of STOPS) process.once(name, onSignal)
  return {
    signal: stop.signal,
    exitCode: () => 128 + number,
    end: () => {
      for (const name of STOPS) process.off(name, onSignal)
    },
  }
}
