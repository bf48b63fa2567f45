/** The folders and files that stand beside a data directory while its site is rebuilt as a standby. */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { readJson, removeDurably, renameDurably, writeDurably } from '../../storage/durable.ts'
import { controlFile, isPinned, pinnedFile } from './control-data.ts'

export interface Folders {
  data: string
  /** The data directory as the fence left it; kept until the standby streams. */
  kept: string
  /** Which fork the kept copy was made for. */
  keptNote: string
  /** A copy that is being made or removed: never to be read. */
  partial: string
  /** The new data directory while it is not finished: under this name no supervisor starts it. */
  rebuild: string
  /** How far the rebuilding has come. */
  mark: string
  /** Password of the replication user, for primary_conninfo. */
  passfile: string
}

export function foldersOf(dataDir: string): Folders {
  const data = resolve(dataDir)
  return {
    data,
    kept: `${data}.before-rewind`,
    keptNote: `${data}.before-rewind.json`,
    partial: `${data}.before-rewind.partial`,
    rebuild: `${data}.rebuild`,
    mark: `${data}.rebuild.json`,
    passfile: `${data}.pgpass`,
  }
}

/**
 * `begun`: what stands in the rebuild folder is half of something. `copied`: it is whole, and not yet in place. The token
 * is of one attempt: one that was given up and thaws finds another's and may not go on.
 */
export interface Mark {
  method: 'rewind' | 'reclone'
  stage: 'begun' | 'copied'
  token: string
}

export async function readMark(folders: Folders): Promise<Mark | undefined> {
  return readJson<Mark>(folders.mark)
}

export async function beginMark(folders: Folders, method: Mark['method']): Promise<Mark> {
  const mark: Mark = { method, stage: 'begun', token: randomUUID() }
  await writeDurably(folders.mark, JSON.stringify(mark))
  return mark
}

/** What this attempt has made is whole. Throws EPOCH_STALE where another attempt has begun meanwhile. */
export async function advanceMark(folders: Folders, mine: Mark): Promise<Mark> {
  const now = await readMark(folders)
  if (now?.token !== mine.token) {
    throw new HoldfastError('EPOCH_STALE', `another attempt rebuilds ${folders.data} by now`, {
      object: folders.mark,
      details: { now, mine },
    })
  }
  const mark: Mark = { ...mine, stage: 'copied' }
  await writeDurably(folders.mark, JSON.stringify(mark))
  return mark
}

export async function clearMark(folders: Folders): Promise<void> {
  await removeDurably(folders.mark)
}

/** What the fence, a crash or a former life as a standby left, and would keep a stopped folder from starting as what it was. */
export async function asPrimary(site: { dataDir: string }): Promise<void> {
  if (await isPinned(site)) await renameDurably(pinnedFile(site), controlFile(site))
  for (const name of ['postmaster.pid', 'standby.signal', 'recovery.signal']) await rm(join(site.dataDir, name), { force: true })
}
