/** Where two sides of a pair parted. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { readControlData } from './control-data.ts'
import { exists, signalOf } from './kept-copy.ts'
import { isReplaced, readNote } from './kept-note.ts'
import { foldersOf } from './rebuild-folders.ts'
import { readPosition, type Site, withSite } from './site.ts'
import { forkPoint, historyName } from './wal-position.ts'

/** Where the new primary left the old side's timeline: what the old side has after it exists there only. */
export interface Fork {
  timeline: number
  lsn: string
}

/**
 * The fork of a fenced site from the side that is primary now, from the latter's own history. Throws NOT_READY where the
 * two are on one timeline, TARGET_AMBIGUOUS where the old side was never on the way of the new one.
 */
export async function findFork(old: Site, primary: Site): Promise<Fork> {
  const folders = foldersOf(old.dataDir)
  const noted = (await isReplaced(folders)) ? await readNote(folders) : undefined
  const timeline = noted?.timeline ?? (await lastTimeline(old))
  return withSite(primary, async (client) => {
    const { timeline: current, standby } = await readPosition(client)
    if (standby) throw new HoldfastError('NOT_READY', `site ${primary.name} is a standby, not the primary`, { object: primary.name })
    if (current === timeline)
      throw new HoldfastError('NOT_READY', `sites ${old.name} and ${primary.name} are on one timeline, ${current}: nobody was promoted`, {
        object: primary.name,
      })
    const { rows } = await client.query<{ history: string }>('select pg_read_file($1) as history', [join('pg_wal', historyName(current))])
    const lsn = forkPoint(rows[0]?.history ?? '', timeline)
    if (!lsn)
      throw new HoldfastError(
        'TARGET_AMBIGUOUS',
        `timeline ${timeline} of site ${old.name} is no ancestor of timeline ${current} of site ${primary.name}`,
        { object: old.name, next: `re-clone ${old.name}; its data is of another branch` },
      )
    return { timeline, lsn }
  })
}

/** The same; undefined where the old side's data is gone, of another branch, or a standby's on this one, and so can only be replaced. */
export async function forkOrNone(old: Site, primary: Site): Promise<Fork | undefined> {
  const standby = await exists(signalOf(old.dataDir))
  const none = ['TARGET_AMBIGUOUS', 'NOT_FOUND', ...(standby ? ['NOT_READY'] : [])]
  return findFork(old, primary).catch((error: unknown) => {
    if (error instanceof HoldfastError && none.includes(error.code)) return undefined
    throw error
  })
}

/** False where the two are on one timeline. Throws SOURCE_UNREACHABLE where the primary does not say. */
export async function isApart(site: Site, primary: Site): Promise<boolean> {
  return findFork(site, primary).then(
    () => true,
    (error: unknown) => {
      if (error instanceof HoldfastError && error.code === 'TARGET_AMBIGUOUS') return true
      if (error instanceof HoldfastError && error.code === 'NOT_READY') return false
      throw error
    },
  )
}

/** The control file learns of a new timeline with the first checkpoint only; the history file is there before. */
async function lastTimeline(site: Site): Promise<number> {
  const control = await readControlData(site)
  const names = await readdir(join(site.dataDir, 'pg_wal')).catch(() => [] as string[])
  const histories = names.filter((name) => /^[0-9A-F]{8}\.history$/.test(name)).map((name) => Number.parseInt(name.slice(0, 8), 16))
  return Math.max(control.timeline, ...histories)
}
