/** What rewind and re-clone share: the place held, a finished folder put there under the epoch, the site started. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { raiseEpoch, underEpoch } from './epoch.ts'
import { exists, isKept } from './kept-copy.ts'
import type { Fork } from './fork.ts'
import { clearMark, type Folders, foldersOf, type Mark, readMark } from './rebuild-folders.ts'
import { isStandby, release } from './standby.ts'
import { configureStandby } from './standby-config.ts'
import type { Site } from './site.ts'

export interface Rebuilt {
  method: Mark['method']
  /** The new primary's timeline. */
  timeline: number
  /** True where an earlier attempt had done the work already. */
  resumed: boolean
}

export interface Rebuilding {
  site: Site
  primary: Site
  fork?: Fork | undefined
  epoch: number
}

export interface Finish extends Rebuilding {
  folders: Folders
  mark: Mark
  configFrom: string | undefined
  timeline: number
  resumed?: boolean
}

export type Resume = Omit<Finish, 'mark' | 'configFrom'> & { method: Mark['method'] }

/** Owns the site for this epoch; a folder that an earlier attempt took away is held again, so that it can be owned. */
export async function own({ site, epoch }: Rebuilding): Promise<Folders> {
  const folders = foldersOf(site.dataDir)
  if (await readMark(folders)) await holdPlace(folders)
  await raiseEpoch(site, epoch)
  return folders
}

/** Goes on where an earlier attempt ended after its work was whole; undefined where the work is still to do. */
export async function resume(request: Resume): Promise<Rebuilt | undefined> {
  const { site, epoch, folders, method, timeline } = request
  const mark = await readMark(folders)
  if (mark?.stage === 'copied' && (await exists(folders.rebuild))) {
    return finish({ ...request, mark, configFrom: await configSource(folders, request.fork), resumed: true })
  }
  if (mark?.stage === 'begun' || !(await isStandby(folders.data))) return undefined
  await clearMark(folders)
  await release(site, epoch)
  return { method: mark?.method ?? method, timeline, resumed: true }
}

const PLACE = 'grep -qF -- "$1" "$2" && mv -T -- "$3" "$4" && sync -- "$5"'

/** The shared ending. Until the folder has its place, a start finds nothing to start; from then on, a standby. */
export async function finish({ site, primary, epoch, folders, mark, configFrom, timeline, resumed = false }: Finish): Promise<Rebuilt> {
  await configureStandby({ site, primary, dir: folders.rebuild, configFrom })
  await holdPlace(folders)
  const args = ['-c', PLACE, 'place', mark.token, folders.mark, folders.rebuild, folders.data, join(folders.data, '..')]
  await underEpoch(site, epoch, { program: 'sh', args, cwd: '/' }, { waitMs: 30_000 })
  await clearMark(folders)
  await release(site, epoch)
  return { method: mark.method, timeline, resumed }
}

/** An empty folder under the data directory's name: it cannot be started, and the finished one takes its place at once. */
export async function holdPlace(folders: Folders): Promise<void> {
  await mkdir(folders.data, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
}

/** Where the site's own configuration can be read: in what was kept of it. */
export async function configSource(folders: Folders, fork: Fork | undefined): Promise<string | undefined> {
  const kept = fork ? await isKept(folders, fork) : await exists(folders.kept)
  return kept ? folders.kept : undefined
}
