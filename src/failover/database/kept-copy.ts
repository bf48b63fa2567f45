/** The old data directory as it was when it was fenced: copied aside first, and kept until its site streams again. */
import { lstat, mkdir, readdir, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { processesIn, stopProcessesIn } from '../../process/in-folder.ts'
import { run } from '../../process/run.ts'
import { renameDurably } from '../../storage/durable.ts'
import { readControlData } from './control-data.ts'
import { requireFree } from './disk-space.ts'
import type { Fork } from './fork.ts'
import { type Note, readNote, writeNote } from './kept-note.ts'
import { clearMark, foldersOf, type Folders } from './rebuild-folders.ts'
import { readPidFile, removeSegment } from './shared-memory.ts'
import { type Site, siteUser } from './site.ts'

/** Makes the copy, or finds it made for this very fork. Gives its folder. `worthless`: nothing in it is anywhere else needed. */
export async function ensureKept(site: Site, fork: Fork, worthless = false): Promise<string> {
  const folders = foldersOf(site.dataDir)
  if (await isKept(folders, fork)) return folders.kept
  await requireOld(site, folders, fork)
  await removeFolder(folders.partial)
  await requireFree(folders.data, await sizeOf(folders.data), `a copy of ${folders.data}`)
  await copyAside(folders.data, folders.partial, site.signal)
  await syncTree(site, folders.partial)
  await writeNote(folders, fork, worthless)
  await renameDurably(folders.partial, folders.kept)
  return folders.kept
}

/** True where a whole copy for this fork stands; throws SOURCE_UNFIT where one of something else does. */
export async function isKept(folders: Folders, fork: Fork | undefined): Promise<boolean> {
  if (!(await exists(folders.kept))) return false
  const note = await readNote(folders)
  if (fork && note?.timeline === fork.timeline && note.lsn === fork.lsn) return true
  const of = note ? `the fork of timeline ${note.timeline} at ${note.lsn}` : 'an unknown fork'
  const rows = note?.exported ? 'all of its rows were exported' : 'not all of its rows were exported'
  throw new HoldfastError('SOURCE_UNFIT', `${folders.kept} is the copy of an earlier failback, of ${of}; ${rows}`, {
    object: folders.kept,
    next: `look whether anybody needs it, then run: rm -r ${folders.kept} ${folders.keptNote}`,
  })
}

/** Of a standby, whether it runs or not. */
export const signalOf = (dataDir: string): string => join(dataDir, 'standby.signal')

/** The note of a copy that has what nobody exported; its fork is undefined where it has no note. */
export async function unexported(folders: Folders): Promise<{ note: Note | undefined } | undefined> {
  if (!(await exists(folders.kept))) return undefined
  const note = await readNote(folders)
  return note?.exported ? undefined : { note }
}

/** Removes the copy where all that only it has is exported; else gives its folder, which stays. Only once the site streams. */
export async function removeExported(site: { dataDir: string }): Promise<string | undefined> {
  const folders = foldersOf(site.dataDir)
  if (await unexported(folders)) return folders.kept
  await removeKept(site)
  return undefined
}

/** Removes the copy, whatever was made of it. Only once the site streams; may be called twice. */
export async function removeKept(site: { dataDir: string }): Promise<void> {
  const folders = foldersOf(site.dataDir)
  // Renamed first: a removal that is cut short must not leave half a copy under the name of a whole one.
  if (await exists(folders.kept)) {
    await stopProcessesIn(folders.kept)
    await removeFolder(folders.partial)
    await renameDurably(folders.kept, folders.partial)
  }
  await removeFolder(folders.partial)
  await rm(folders.keptNote, { force: true })
  // A rebuild that was cut short behind its last step has left it.
  await clearMark(folders)
}

/** A whole copy in `target`, which is emptied first; what lies outside by a link is copied in. */
export async function copyAside(from: string, target: string, signal?: AbortSignal): Promise<void> {
  await removeFolder(target)
  await mkdir(target, { mode: 0o700 })
  // Working in the target, a copy that outlived its worker is found there and stopped.
  const copy = (source: string, into: string) =>
    run({ program: 'cp', args: ['-a', '--reflink=auto', `${source}/.`, into], cwd: target }, { signal })
  await copy(from, target)
  for (const link of await outsideLinks(target)) {
    const outside = await realpath(join(from, link))
    await rm(join(target, link))
    await mkdir(join(target, link), { mode: 0o700 })
    await copy(outside, join(target, link))
  }
}

/** `pg_wal` and the tablespaces, where they are links to other folders. */
export async function outsideLinks(dataDir: string): Promise<string[]> {
  const spaces = await readdir(join(dataDir, 'pg_tblspc')).catch(() => [] as string[])
  const links: string[] = []
  for (const name of ['pg_wal', ...spaces.map((space) => join('pg_tblspc', space))]) {
    if ((await lstat(join(dataDir, name)).catch(() => undefined))?.isSymbolicLink()) links.push(name)
  }
  return links
}

/** Removes a folder and what a dead worker left of a server in it: its processes and its shared memory. */
export async function removeFolder(path: string): Promise<void> {
  await stopProcessesIn(path)
  const segment = (await readPidFile({ dataDir: path }))?.segment
  if (segment) await removeSegment(segment)
  await rm(path, { recursive: true, force: true, maxRetries: 5 })
}

/** Every file of the folder is on the disk. */
export async function syncTree(site: Site, dataDir: string): Promise<void> {
  await run(
    { program: join(site.binDir, 'initdb'), args: ['--sync-only', '-D', dataDir], user: siteUser(site), cwd: '/' },
    { signal: site.signal },
  )
}

export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}

async function requireOld(site: Site, folders: Folders, fork: Fork): Promise<void> {
  const refuse = (why: string, next: string) => new HoldfastError('SOURCE_UNFIT', `${folders.data} ${why}`, { object: folders.data, next })
  const running = await processesIn(folders.data)
  if (running.length > 0) throw refuse(`is used by process ${running.map((one) => one.pid).join(', ')}`, 'fence this site first')
  if (await exists(folders.mark)) throw refuse('is being rebuilt and its copy is gone', 'go on with a re-clone')
  const control = await readControlData({ ...site, dataDir: folders.data })
  if (control.timeline > fork.timeline)
    throw refuse(`is on timeline ${control.timeline} already, not on ${fork.timeline}`, 'nothing of the old side is left there to keep')
}

async function sizeOf(folder: string): Promise<number> {
  const { stdout } = await run({ program: 'du', args: ['-skL', folder] })
  return Number.parseInt(stdout, 10) * 1024
}
