/** wal-prune: an archive of no source loses what lies before the oldest base backup that its owner keeps. */
import type { Command } from 'commander'
import { ownersOf } from '../../config/logs.ts'
import type { Config } from '../../config/schema.ts'
import { EXIT, HoldfastError } from '../../core/errors.ts'
import { filesBefore } from '../../wal/before.ts'
import { heldIn } from '../../wal/contents.ts'
import { removeWal } from '../../wal/remove.ts'
import type { Action } from '../build.ts'
import { bytes } from '../output.ts'
import { withArchive } from '../with-archive.ts'

export function addWalPrune(program: Command, action: Action): void {
  program
    .command('wal-prune <archive> <oldest>')
    .description(
      'remove what is before the oldest segment to keep, or before the base backup of a .backup file; as archive_cleanup_command "%r"',
    )
    .option('--dry-run', 'show what would go', false)
    .action(
      action((context, archive: string, oldest: string, { dryRun }: { dryRun: boolean }) =>
        withArchive(context, archive, async ({ store, config, signal }) => {
          requireNoOwner(config, archive)
          const files = filesBefore((await heldIn({ archive, store })).held, oldest, archive)
          const locked = dryRun ? undefined : await removeWal({ archive, store }, files, () => signal.throwIfAborted())
          const gone = files.slice(0, locked === undefined ? undefined : files.findIndex(({ name }) => name === locked))
          const storedBytes = gone.reduce((sum, file) => sum + file.storedBytes, 0)
          const [first, last] = [gone[0]?.name, gone.at(-1)?.name]
          context.output.result({ archive, oldest, dryRun, files: gone.length, storedBytes, first, last, locked }, [
            first === undefined
              ? 'nothing is older'
              : `${gone.length} files, ${bytes(storedBytes)}, ${dryRun ? 'would go' : 'removed'}: ${first} to ${last}`,
            ...(locked === undefined ? [] : [`LOCKED ${locked}: it and what comes after it stay until its object lock ends`]),
          ])
          return locked === undefined ? EXIT.ok : EXIT.degraded
        }),
      ),
    )
}

/** Its points know what they need of it, and a person who names a segment may not. */
function requireNoOwner(config: Config, archive: string): void {
  const [owner] = ownersOf(config, archive)
  if (owner === undefined) return
  throw new HoldfastError('POINT_PROTECTED', `${archive} is the log of ${owner}: its recovery points say what they need of it`, {
    object: archive,
    next: `set archives.${archive}.keep; holdfast prune ${owner} --dry-run shows what would go`,
  })
}
