/** The pin: without its control file no start of the cluster succeeds, whoever starts it. Moved back, nothing is lost. */
import { dirname } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Command } from '../../process/command.ts'
import { controlFile, isPinned, pinnedFile } from './control-data.ts'
import { underEpoch } from './epoch.ts'
import type { Site } from './site.ts'

// One command, so that it happens under the lock or not at all; the folder is on disk before it is reported.
const move = (from: string, to: string): Command => ({
  program: 'sh',
  args: ['-c', 'mv -f "$1" "$2" && sync "$3"', 'holdfast-pin', from, to, dirname(to)],
})

/** May be called twice. Throws EPOCH_STALE where a newer run owns the site. */
export async function pin(site: Site, epoch: number): Promise<void> {
  if (!(await isPinned(site))) await underEpoch(site, epoch, move(controlFile(site), pinnedFile(site)))
  if (!(await isPinned(site)))
    throw new HoldfastError('FENCE_UNPROVEN', `site ${site.name} could not be pinned: ${controlFile(site)} is still there`, {
      object: controlFile(site),
    })
}

/** Only for a rewind or an abort, and only with the newest epoch. May be called twice. */
export async function unpin(site: Site, epoch: number): Promise<void> {
  if (await isPinned(site)) await underEpoch(site, epoch, move(pinnedFile(site), controlFile(site)))
}
