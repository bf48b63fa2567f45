/**
 * Two renames put a filled copy in the place of the cluster. What is under way stands in a file beside the data directory,
 * so that a second try goes on where a killed one stopped, and an undo puts the old one back and starts it.
 */
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { DriverContext } from '../driver.ts'
import { isThere, type LivePlace, statOf } from './live-place.ts'
import { call, startServer, stopServer, writable, type Writable } from './live-start.ts'

/** What is under way. */
interface Under {
  /** `<folder>/<inode>` of the copy, as restoreAside gave it. */
  made: string
  /** Where the old cluster goes; the same at each try. */
  kept: string
}

export interface Exchange {
  /** As restoreAside gave it: nothing else is swapped in. */
  made: string
  /** Throws unless the cluster is the one that was confirmed. */
  confirmed(): Promise<void>
}

export interface Exchanged {
  kept?: string
  /** Not where the source has no service: somebody else starts it. */
  started?: Writable
}

/** Puts the copy in the place. Found done, it only starts the server, where an earlier try did not see it take writes. */
export async function exchange(place: LivePlace, manifest: Manifest, wanted: Exchange, context: DriverContext): Promise<Exchanged> {
  const { dataDir } = place
  const [folder = '', inode] = wanted.made.split('/')
  const aside = join(dirname(dataDir), folder)
  const copy = join(aside, 'data')
  const under = await begun(dataDir)
  if (!(await isCopy(dataDir, inode))) {
    const kept = await prepared(place, manifest, wanted, under)
    if (!(await isCopy(copy, inode)))
      throw new HoldfastError('NOT_FOUND', `there is no folder ${copy} to swap in, or another try made it`, {
        object: copy,
        next: 'start the restore again',
      })
    context.onProgress({ phase: 'stop the server' })
    await stopServer(place, context.signal)
    if (await isThere(dataDir)) await moved(dataDir, kept)
    await moved(copy, dataDir)
  }
  const kept = (await begun(dataDir))?.kept ?? (await keptOf(dataDir, manifest))
  const started = place.service ? await startServer(place, manifest.consistency.systemId, context) : undefined
  return { ...((await statOf(kept)) && { kept }), ...(started && { started }) }
}

/** Nothing is under way any more. What the copy's folder still has goes, but for a recovery that is yet to come. */
export async function ended(place: LivePlace, made: string): Promise<void> {
  await removeDurably(noteOf(place.dataDir))
  if (place.service) await rm(asideOf(place.dataDir, made), { recursive: true, force: true, maxRetries: 5 })
}

export const asideOf = (dataDir: string, made: string): string => join(dirname(dataDir), made.split('/')[0] ?? '')

/** Undoes what an exchange began and did not end. Harmless where none did, and after the new one took writes. */
export async function putBack(place: LivePlace, manifest: Manifest, { signal, onProgress }: DriverContext): Promise<void> {
  const { dataDir } = place
  const under = await begun(dataDir)
  if (!under) return
  onProgress({ phase: 'put the old cluster back' })
  const isNew = await isCopy(dataDir, under.made.split('/')[1])
  if (isNew && typeof (await writable(place, manifest.consistency.systemId)) !== 'string') return removeDurably(noteOf(dataDir))
  if (isNew) {
    await stopServer(place, signal)
    await moved(dataDir, join(asideOf(dataDir, under.made), 'data'))
  }
  const old = await isThere(under.kept)
  if (old && !(await isThere(dataDir))) await moved(under.kept, dataDir)
  if (place.service && (await isThere(dataDir))) await call(place.service.start, signal)
  await removeDurably(noteOf(dataDir))
}

/** Notes where the old cluster goes before anything is touched. */
async function prepared(place: LivePlace, manifest: Manifest, wanted: Exchange, under: Under | undefined): Promise<string> {
  const { dataDir } = place
  if (!under || !(await isThere(under.kept))) await wanted.confirmed()
  else if (await isThere(dataDir))
    throw new HoldfastError(
      'STORE_CONFLICT',
      `${dataDir} was made again by somebody while it was being replaced; what was replaced is at ${under.kept}`,
      { object: dataDir, next: 'look at both; stop the server that made it, move it away, and start the restore again' },
    )
  if (under) return under.kept
  const kept = await freeName(dataDir, manifest)
  await writeDurably(noteOf(dataDir), JSON.stringify({ made: wanted.made, kept } satisfies Under))
  return kept
}

const keptName = (dataDir: string, { id }: Manifest, again: number) => `${dataDir}.before-${id}${again > 1 ? `-${again}` : ''}`

async function freeName(dataDir: string, manifest: Manifest): Promise<string> {
  for (let again = 1; ; again += 1) {
    const name = keptName(dataDir, manifest, again)
    if (!(await statOf(name))) return name
  }
}

/** The last that a restore of this point set aside. */
async function keptOf(dataDir: string, manifest: Manifest): Promise<string> {
  for (let again = 1; ; again += 1) {
    if (!(await statOf(keptName(dataDir, manifest, again + 1)))) return keptName(dataDir, manifest, again)
  }
}

async function isCopy(path: string, inode: string | undefined): Promise<boolean> {
  const found = await statOf(path)
  return found !== undefined && String(found.ino) === inode
}

const noteOf = (dataDir: string): string => `${dataDir}.restore-under-way`

async function begun(dataDir: string): Promise<Under | undefined> {
  if (!(await statOf(noteOf(dataDir)))) return undefined
  return JSON.parse(await readFile(noteOf(dataDir), 'utf8')) as Under
}

async function writeDurably(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600, flush: true })
  await moved(`${path}.new`, path)
}

async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true })
  await synced(dirname(path))
}

/** It stays so after a crash of the machine. */
async function moved(from: string, to: string): Promise<void> {
  await rename(from, to)
  await synced(dirname(to))
}

async function synced(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
