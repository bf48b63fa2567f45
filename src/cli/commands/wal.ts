/** wal-push, wal-fetch, wal-list, wal-prune: the log of an engine that ships it by commands of its own. They need no Temporal. */
import { type Command, InvalidArgumentError } from 'commander'
import { namesIn } from '../../config/logs.ts'
import { openSigner } from '../../config/signer.ts'
import { recipientsOf } from '../../config/recipients.ts'
import { seconds } from '../../core/duration.ts'
import { EXIT, messageOf } from '../../core/errors.ts'
import { type Contents, contentsOf } from '../../wal/contents.ts'
import { fetchWal } from '../../wal/fetch.ts'
import { pushWal } from '../../wal/push.ts'
import type { Action, Family } from '../build.ts'
import { plainFailure } from '../plain-failure.ts'
import { contentsLines } from '../wal-contents.ts'
import { archiveOf, withArchive } from '../with-archive.ts'
import { addWalPrune } from './wal-prune.ts'

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

  addWalPrune(program, action)
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
