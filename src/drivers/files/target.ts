/** The folder that a restore goes into: which one it is, beyond doubt, and where what is needed meanwhile stands beside it. */
import { randomUUID } from 'node:crypto'
import { constants, type BigIntStats } from 'node:fs'
import { access, lstat, mkdir, readdir, readFile, readlink, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { stamp } from '../../core/ids.ts'
import { ownName } from './selection.ts'

export interface Place {
  /** Without symbolic links; as it was given where nothing is there. */
  root: string
  /** Undefined where nothing is there. */
  stat: BigIntStats | undefined
  /** A folder of its own file system, or in one that may not be written: what is needed meanwhile stands inside of it. */
  inside: boolean
}

export async function placeOf(given: string): Promise<Place> {
  const root = await resolved(given)
  const found = await stat(root, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (found && !found.isDirectory())
    throw new HoldfastError('SOURCE_UNFIT', `${root} is no folder`, { object: root, next: 'move it away, or correct root of the source' })
  const above = await stat(dirname(root), { bigint: true }).catch(() => undefined)
  if (!above)
    throw new HoldfastError('SOURCE_UNFIT', `${dirname(root)} is not there`, {
      object: dirname(root),
      next: `mkdir -p ${dirname(root)}, or mount it`,
    })
  const writable = await access(dirname(root), constants.W_OK).then(
    () => true,
    () => false,
  )
  return { root, stat: found, inside: found !== undefined && (found.dev !== above.dev || !writable) }
}

/** Without symbolic links also where nothing is at its end: a link to a folder that is being swapped leads to its name. */
async function resolved(path: string): Promise<string> {
  const target = await readlink(path).catch(() => undefined)
  if (target !== undefined) return realpath(path).catch(() => resolved(resolve(dirname(path), target)))
  return realpath(path).catch(async () => join(await realpath(dirname(path)).catch(() => dirname(path)), basename(path)))
}

export const ABSENT = ':absent'

/** Another host, another path, or a folder that was made anew: another fingerprint. */
export const fingerprintOf = ({ root, stat: found }: Place): string =>
  `${hostname()}:${root}${found ? `:${found.dev}-${found.ino}` : ABSENT}`

/** Where the point is filled in, found again by its id. */
export const asideOf = ({ root, inside }: Place, id: string): string =>
  inside ? join(root, ownName('restore', id)) : `${root}_restore_${id}`

/** Where what is replaced is kept: a name that nothing has. */
export async function keptName({ root, inside }: Place, at = new Date()): Promise<string> {
  const when = stamp(at).slice(0, 15).replace('T', '_')
  const name = inside ? join(root, ownName('pre_restore', when)) : `${root}_pre_restore_${when}`
  for (let number = 1; ; number += 1) {
    const free = number === 1 ? name : `${name}_${number}`
    if (!(await lstat(free).catch(() => undefined))) return free
  }
}

/** Folders with what restores replaced. */
async function keptFolders({ root, inside }: Place): Promise<string[]> {
  const [folder, beginning] = inside ? [root, ownName('pre_restore', '')] : [dirname(root), `${basename(root)}_pre_restore_`]
  return (await readdir(folder)).filter((name) => name.startsWith(beginning)).map((name) => join(folder, name))
}

/** What stands in the aside folder beside the tree: which try filled it, and how it is being put in its place. */
export interface Swapping {
  how: 'rename' | 'files'
  kept: string
  /** The folder that was confirmed. */
  confirmed: string
}

const NOTE = '.holdfast-kept'

/** Says in the folder of what was replaced which run did it: a second try finds it done. */
export async function makeNote(kept: string, run: string): Promise<void> {
  await mkdir(kept, { recursive: true, mode: 0o700 })
  await writeFile(join(kept, NOTE), run)
}

/** What a restore replaced that has happened already: the very folder that was confirmed, or what bears the note of this run. */
export async function keptBy(place: Place, run: string, confirm: string): Promise<string | undefined> {
  for (const folder of await keptFolders(place)) {
    const found = await stat(folder, { bigint: true }).catch(() => undefined)
    if (found && isConfirmed(found, confirm)) return folder
    if ((await readFile(join(folder, NOTE), 'utf8').catch(() => undefined)) === run) return folder
  }
  return undefined
}

export const isConfirmed = ({ dev, ino }: BigIntStats, confirm: string): boolean => confirm.endsWith(`:${dev}-${ino}`)

/** Nothing was replaced: there is the note only. */
export async function isNothing(kept: string): Promise<boolean> {
  const names = await readdir(kept).catch(() => [] as string[])
  return names.every((name) => name === NOTE)
}

/** Removes the note of the run where nothing else is with it. */
export async function removeNote(place: Place, run: string): Promise<void> {
  const kept = await keptBy(place, run, '')
  if (kept !== undefined && (await isNothing(kept))) await rm(kept, { recursive: true })
}

const TOKEN = 'token'
const SWAPPING = 'swapping.json'

export async function writeToken(aside: string): Promise<string> {
  const token = randomUUID()
  await writeFile(join(aside, TOKEN), token)
  return token
}

export const readToken = (aside: string): Promise<string | undefined> => readFile(join(aside, TOKEN), 'utf8').catch(() => undefined)

export async function writeSwapping(aside: string, swapping: Swapping): Promise<void> {
  await writeFile(join(aside, `${SWAPPING}.new`), JSON.stringify(swapping))
  await rename(join(aside, `${SWAPPING}.new`), join(aside, SWAPPING))
}

export async function readSwapping(aside: string): Promise<Swapping | undefined> {
  const text = await readFile(join(aside, SWAPPING), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as Swapping)
}
