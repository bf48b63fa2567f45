/** The note beside a kept copy: of which fork it is, and whether its rows are exported. It outlives a failback that is cut short. */
import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { readJson, writeDurably } from '../../storage/durable.ts'
import type { Fork } from './fork.ts'
import { type Folders, readMark } from './rebuild-folders.ts'

export interface Note extends Fork {
  /** All that only the copy has is exported: nobody needs it once its site streams. */
  exported?: boolean
}

/** Of a copy that was put aside without anybody knowing where its branch left the primary's. */
const UNKNOWN: Fork = { timeline: 0, lsn: 'unknown' }

export const isKnown = (fork: Fork): boolean => fork.timeline !== UNKNOWN.timeline

export async function readNote(folders: Folders): Promise<Note | undefined> {
  return readJson<Note>(folders.keptNote)
}

export async function writeNote(folders: Folders, fork: Fork = UNKNOWN, exported = false): Promise<void> {
  const note: Note = { timeline: fork.timeline, lsn: fork.lsn, ...(exported && { exported }) }
  await writeDurably(folders.keptNote, JSON.stringify(note))
}

/**
 * True where the data directory no longer tells of which fork the old side is: a rebuild has taken its content away, or
 * has put a standby there that nobody started yet. Until then a note may be of an earlier failback.
 */
export async function isReplaced(folders: Folders): Promise<boolean> {
  const placed = await access(join(folders.data, 'standby.signal')).then(
    () => true,
    () => false,
  )
  if (placed) return true
  const content = await readdir(folders.data).catch(() => [] as string[])
  return content.length === 0 && (await readMark(folders)) !== undefined
}
