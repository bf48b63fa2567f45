/**
 * Two renames put a filled copy in the place of the cluster. What is under way stands in a file beside the data directory,
 * so that a second try goes on where a killed one stopped, and an undo puts the old one back and starts it.
 */
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { processesIn } from '../../process/in-folder.ts'
import { renameDurably } from '../../storage/durable.ts'
import type { DriverContext } from '../driver.ts'
import { begin, begun, forget, type Under } from './live-note.ts'
import { isThere, type LivePlace, statOf } from './live-place.ts'
import { call, recovered, type Started, startServer, stopServer } from './live-start.ts'

export interface Exchange {
  /** As restoreAside gave it: nothing else is swapped in. */
  made: string
  /** Throws unless the cluster is the one that was confirmed. */
  confirmed(): Promise<void>
  /** Throws where this try was given up. */
  stillWanted?(): Promise<void>
}

export interface Exchanged {
  kept?: string
  /** Not where the source has no service: somebody else starts it. */
  started?: Started
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
    await wanted.stillWanted?.()
    await stopServer(place, context.signal)
    // Another try may have done it while this one was frozen.
    if (!(await isCopy(dataDir, inode))) await replaced(dataDir, copy, kept)
  }
  const kept = (await begun(dataDir))?.kept ?? (await keptOf(dataDir, manifest))
  const started = place.service ? await startServer(place, manifest.consistency.systemId, context) : undefined
  return { ...((await statOf(kept)) && { kept }), ...(started && { started }) }
}

/** Throws SOURCE_LOCKED where a server was started on the old one before it was away: it would go on there, at the same address. */
async function replaced(dataDir: string, copy: string, kept: string): Promise<void> {
  if (await isThere(dataDir)) await renameDurably(dataDir, kept)
  const [first] = await processesIn(kept)
  if (first) {
    await renameDurably(kept, dataDir)
    throw new HoldfastError('SOURCE_LOCKED', `${first.name} (pid ${first.pid}) was started on ${dataDir} after its server was stopped`, {
      object: dataDir,
      retryable: false,
      next: 'find what starts it, like a supervisor that does not know of service.stop or Restart= of a unit, and end that; then start the restore again',
    })
  }
  await renameDurably(copy, dataDir)
}

/** Nothing is under way any more. What the copy's folder still has goes, but for a recovery that is yet to come. */
export async function ended(place: LivePlace, made: string): Promise<void> {
  await forget(place.dataDir)
  if (place.service) await rm(asideOf(place.dataDir, made), { recursive: true, force: true, maxRetries: 5 })
}

export const asideOf = (dataDir: string, made: string): string => join(dirname(dataDir), made.split('/')[0] ?? '')

/** Undoes what an exchange began and did not end. Harmless where none did, and after the new one may have taken writes. */
export async function putBack(place: LivePlace, { signal, onProgress }: DriverContext): Promise<void> {
  const { dataDir } = place
  const under = await begun(dataDir)
  if (!under) return
  onProgress({ phase: 'put the old cluster back' })
  const isNew = () => isCopy(dataDir, under.made.split('/')[1])
  if (await isNew()) {
    if (await recovered(dataDir)) return forget(dataDir)
    await stopServer(place, signal)
    if (!(await isNew())) return
    // Its recovery may have ended until it was stopped: then it stays, and is started again.
    if (!(await recovered(dataDir))) await renameDurably(dataDir, join(asideOf(dataDir, under.made), 'data'))
  }
  const old = await isThere(under.kept)
  if (old && !(await isThere(dataDir))) await renameDurably(under.kept, dataDir)
  if (place.service && (await isThere(dataDir))) await call(place.service.start, signal)
  await forget(dataDir)
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
  await begin(dataDir, { made: wanted.made, kept })
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
