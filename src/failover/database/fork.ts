/** Where two sides of a pair parted. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { readControlData } from './control-data.ts'
import { exists, signalOf } from './kept-copy.ts'
import { isReplaced, readNote } from './kept-note.ts'
import { foldersOf } from './rebuild-folders.ts'
import type { Client } from '../../drivers/postgres-common/connect.ts'
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
    await requireSameSystem(client, old, primary)
    if (current === timeline)
      throw new HoldfastError('NOT_READY', `sites ${old.name} and ${primary.name} are on one timeline, ${current}: nobody was promoted`, {
        object: primary.name,
      })
    const lsn = forkPoint(await historyOf(client, current), timeline)
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

/** A cluster that a package has made on a new host is on timeline 1 as well, and has nothing in common. */
async function requireSameSystem(client: Client, old: Site, primary: Site): Promise<void> {
  const { systemId } = await readControlData(old).catch((error: unknown) => {
    // What a rebuild has taken away is told by its note.
    if (error instanceof HoldfastError && error.code === 'NOT_FOUND') return { systemId: undefined }
    throw error
  })
  const { rows } = await client.query<{ id: string }>('select system_identifier::text as id from pg_control_system()')
  if (systemId === undefined || systemId === rows[0]?.id) return
  throw new HoldfastError('TARGET_AMBIGUOUS', `site ${old.name} holds a cluster that has nothing to do with that of site ${primary.name}`, {
    object: old.dataDir,
    next: `look whose it is; where nobody wants it, move it away`,
  })
}

/** The first timeline has none. */
async function historyOf(client: Client, timeline: number): Promise<string> {
  if (timeline === 1) return ''
  const { rows } = await client.query<{ history: string }>('select pg_read_file($1) as history', [join('pg_wal', historyName(timeline))])
  return rows[0]?.history ?? ''
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
