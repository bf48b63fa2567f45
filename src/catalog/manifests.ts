/** Manifests: published last, once, and only over artifacts that the store really has. */
import { HoldfastError } from '../core/errors.ts'
import { type Manifest, manifestSchema } from '../core/records.ts'
import { readAll } from '../storage/store.ts'
import { dataPrefix, manifestKey, reservationKey } from './keys.ts'
import { type CatalogContext, misplaced, openRecord, readRecord, seal } from './records.ts'
import { checkStored } from './stored.ts'

export interface PublishedManifest {
  manifest: Manifest
  digest: string
  key: string
}

export interface Publishing {
  /** Called right before the write: throws where this try was given up, whose objects somebody may be removing. */
  stillWanted?(): Promise<void>
  /** Whether the run was: then what it reserved and has no more was discarded, and not published by another try. */
  givenUp?(): Promise<boolean>
}

/**
 * Makes a recovery point visible. Safe to repeat: the same run finds its own manifest and is done. Throws INTEGRITY where
 * the store has other artifacts than the manifest names, STORE_CONFLICT where another run's manifest stands there.
 */
export async function publishManifest(
  context: CatalogContext,
  manifest: Manifest,
  { stillWanted, givenUp }: Publishing = {},
): Promise<PublishedManifest> {
  const { source, id } = manifest
  const key = manifestKey(source, id)
  checkPlaces(manifest, key)
  const { bytes, digest, signed } = seal(context, manifestSchema, manifest)
  await refuseMissing(context, manifest, key, AGAIN.backup)
  await stillWanted?.()
  const outcome = await context.store.put(key, bytes, { ifAbsent: true })
  if (outcome === 'created') {
    await withdrawMissing(context, manifest, key, AGAIN.backup, givenUp)
    return finish(context, { manifest: signed, digest, key })
  }
  const found = await ownManifest(context, manifest, key)
  if (found) return finish(context, found)
  throw new HoldfastError('STORE_CONFLICT', `another manifest appeared at ${key}; it was kept`, { object: key })
}

/**
 * Makes a point of another repository visible in this one, by the very bytes that were signed there. Safe to repeat. Throws
 * as publishManifest does.
 */
export async function publishCopy(
  { store }: Pick<CatalogContext, 'store'>,
  { manifest, bytes }: { manifest: Manifest; bytes: Buffer },
  stillWanted?: Publishing['stillWanted'],
): Promise<void> {
  const key = manifestKey(manifest.source, manifest.id)
  await refuseMissing({ store }, manifest, key, AGAIN.copy)
  await stillWanted?.()
  if ((await store.put(key, bytes, { ifAbsent: true })) === 'created') await withdrawMissing({ store }, manifest, key, AGAIN.copy)
  else if (!(await readAll(store, key)).equals(bytes))
    throw new HoldfastError('STORE_CONFLICT', `another manifest stands at ${key} in ${store.name}; it was kept`, { object: key })
}

const AGAIN = { backup: 'start the backup again', copy: 'start the copy again' }

/** The manifest, if its signature, shape and place are right; `digest` is the BLAKE3 of its bytes, which proofs name. */
export async function readManifest(
  context: Pick<CatalogContext, 'store' | 'verifier'>,
  source: string,
  id: string,
): Promise<PublishedManifest> {
  const key = manifestKey(source, id)
  const { record, digest } = await readRecord(context, manifestSchema, key)
  if (record.source !== source || record.id !== id) throw misplaced(key, `it is the manifest of ${record.source} ${record.id}`)
  checkPlaces(record, key)
  return { manifest: record, digest, key }
}

/** An artifact of another point, however well signed, is no artifact of this one, unless it says that it needs that point. */
function checkPlaces({ source, id, artifacts, parents }: Manifest, key: string): void {
  const below = [id, ...parents].map((point) => dataPrefix(source, point))
  const parts = new Set<string>()
  for (const artifact of artifacts) {
    if (!below.some((prefix) => artifact.key.startsWith(prefix)))
      throw misplaced(key, `its part ${artifact.part} names ${artifact.key}, outside ${below.join(', ')}`)
    if (parts.has(artifact.part)) throw misplaced(key, `it names the part ${artifact.part} twice`)
    parts.add(artifact.part)
  }
}

/** What this run published before, when its worker died before it could say so; times may differ, artifacts may not. */
async function ownManifest(context: CatalogContext, manifest: Manifest, key: string): Promise<PublishedManifest | undefined> {
  if (!(await context.store.head(key))) return undefined
  const { record, digest } = openRecord(context.verifier, manifestSchema, key, await readAll(context.store, key))
  const same = record.workflowId === manifest.workflowId && record.runId === manifest.runId && artifactsOf(record) === artifactsOf(manifest)
  if (!same) {
    throw new HoldfastError(
      'STORE_CONFLICT',
      `the manifest of another run stands at ${key} (${record.workflowId}, ${record.runId}); it was kept`,
      { object: key },
    )
  }
  return { manifest: record, digest, key }
}

function artifactsOf({ artifacts, reference }: Manifest): string {
  return JSON.stringify([artifacts.map(({ key, blake3 }) => [key, blake3]), reference?.label, reference?.manifestDigest])
}

type OnStore = Pick<CatalogContext, 'store'>

async function refuseMissing(context: OnStore, manifest: Manifest, key: string, next: string): Promise<void> {
  const list = await differences(context, manifest)
  if (list === '') return
  throw new HoldfastError('INTEGRITY', `${key} was not published, the store has other objects than it names: ${list}`, {
    object: key,
    next,
  })
}

/**
 * A worker that froze right before its write may thaw after its run was given up and its objects were discarded. Discard
 * looks for a manifest after it has removed them, and this looks for them after the manifest stands: whichever comes
 * later sees what the other did, and no point without data stays listed.
 */
async function withdrawMissing(
  context: OnStore,
  manifest: Manifest,
  key: string,
  again: string,
  givenUp?: Publishing['givenUp'],
): Promise<void> {
  const list = (await differences(context, manifest)) || (await unreserved(context, manifest, givenUp))
  if (list === '') return
  const outcome = await context.store.delete(key)
  const now = outcome === 'locked' ? 'it is locked and could not be withdrawn' : 'it was withdrawn'
  throw new HoldfastError('INTEGRITY', `${key} was published while its objects were removed, and ${now}: ${list}`, {
    object: key,
    next: outcome === 'locked' ? `never restore ${manifest.id}; delete it once its lock has ended` : again,
  })
}

/** A point whose data an engine keeps may have no object to miss: that its run was discarded shows by the reservation. */
async function unreserved({ store }: OnStore, { source, id, artifacts }: Manifest, givenUp: Publishing['givenUp']): Promise<string> {
  const reservation = reservationKey(source, id)
  if (artifacts.length > 0 || (await store.head(reservation)) || !(await givenUp?.())) return ''
  return `${reservation}: no object, and its run was given up`
}

/** What the store has otherwise than the manifest names it; empty where it has all. */
async function differences({ store }: OnStore, manifest: Manifest): Promise<string> {
  const wrong = (await checkStored(store, manifest)).filter(({ ok }) => !ok)
  return wrong.map(({ name, expected, actual }) => `${name}: ${actual} instead of ${expected}`).join('; ')
}

async function finish(context: CatalogContext, published: PublishedManifest): Promise<PublishedManifest> {
  await context.store.delete(reservationKey(published.manifest.source, published.manifest.id))
  return published
}
