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

/**
 * Makes a recovery point visible. Safe to repeat: the same run finds its own manifest and is done. Throws INTEGRITY where
 * the store has other artifacts than the manifest names, STORE_CONFLICT where another run's manifest stands there.
 */
export async function publishManifest(context: CatalogContext, manifest: Manifest): Promise<PublishedManifest> {
  const { source, id } = manifest
  const key = manifestKey(source, id)
  checkPlaces(manifest, key)
  const { bytes, digest, signed } = seal(context, manifestSchema, manifest)
  await refuseMissing(context, manifest, key)
  const outcome = await context.store.put(key, bytes, { ifAbsent: true })
  if (outcome === 'created') return finish(context, { manifest: signed, digest, key })
  const found = await ownManifest(context, manifest, key)
  if (found) return finish(context, found)
  throw new HoldfastError('STORE_CONFLICT', `another manifest appeared at ${key}; it was kept`, { object: key })
}

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

/** An artifact of another point, however well signed, is no artifact of this one. */
function checkPlaces({ source, id, artifacts }: Manifest, key: string): void {
  const below = dataPrefix(source, id)
  const parts = new Set<string>()
  for (const artifact of artifacts) {
    if (!artifact.key.startsWith(below)) throw misplaced(key, `its part ${artifact.part} names ${artifact.key}, outside ${below}`)
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

async function refuseMissing(context: CatalogContext, manifest: Manifest, key: string): Promise<void> {
  const wrong = (await checkStored(context.store, manifest)).filter(({ ok }) => !ok)
  if (wrong.length === 0) return
  const list = wrong.map(({ name, expected, actual }) => `${name}: ${actual} instead of ${expected}`).join('; ')
  throw new HoldfastError('INTEGRITY', `${key} was not published, the store has other objects than it names: ${list}`, {
    object: key,
    next: 'start the backup again',
  })
}

async function finish(context: CatalogContext, published: PublishedManifest): Promise<PublishedManifest> {
  await context.store.delete(reservationKey(published.manifest.source, published.manifest.id))
  return published
}
