/** A catalogue with keys of its own, and points to put into it. */
import { createCatalog, type Catalog } from '../../src/catalog/catalog.ts'
import { digestOf } from '../../src/catalog/canonical.ts'
import { dataPrefix } from '../../src/catalog/keys.ts'
import { createSigner, createVerifier, generateSigningKey } from '../../src/catalog/signing.ts'
import { parsePointId } from '../../src/core/ids.ts'
import type { Artifact, Manifest, Proof } from '../../src/core/records.ts'
import { crc32Of } from '../../src/storage/crc.ts'
import type { Store } from '../../src/storage/store.ts'

export const SIGNING = { keyId: 'test-key', ...generateSigningKey() }
const STRANGER = { keyId: 'test-key', ...generateSigningKey() }

export const verifier = createVerifier({ [SIGNING.keyId]: SIGNING.publicKey })
export const signer = createSigner(SIGNING)
/** Somebody with another key under the same name. */
export const stranger = createSigner(STRANGER)

export function catalogOn(store: Store, by = signer): Catalog {
  return createCatalog({ store, signer: by, verifier })
}

/** Puts an artifact and describes it, as the pipeline does. */
export async function putArtifact(
  store: Store,
  source: string,
  id: string,
  part = 'database',
  body = Buffer.from(`${source} ${id} ${part}`),
): Promise<Artifact> {
  const key = `${dataPrefix(source, id)}${part}.zst.age`
  await store.put(key, body, { ifAbsent: false })
  return {
    key,
    part,
    role: part,
    required: true,
    storedBytes: body.length,
    blake3: digestOf(body),
    storeChecksum: { algorithm: 'crc32', value: crc32Of(body) },
    compression: 'zstd',
    encryption: 'age',
  }
}

export function manifestOf(source: string, id: string, artifacts: Artifact[], more: Partial<Manifest> = {}): Manifest {
  const found = parsePointId(id)
  if (!found) throw new Error(`${id} is no id`)
  const at = found.at.toISOString()
  return {
    format: 'holdfast/v1',
    type: 'manifest',
    source,
    id,
    driver: 'postgres-logical',
    kind: found.kind,
    createdAt: at,
    completedAt: at,
    tags: [],
    holdfastVersion: '0.1.0',
    sizeBytes: 100,
    storedBytes: 50,
    fileCount: artifacts.length,
    artifacts,
    consistency: { time: at },
    versions: { postgres: '15.14' },
    encryption: { recipients: ['age1test'] },
    parents: [],
    warnings: [],
    workflowId: `backup-${source}`,
    runId: `run-${id}`,
    ...more,
  }
}

/** A point with one artifact. */
export async function addPoint(store: Store, id: string, more: Partial<Manifest> = {}, catalog = catalogOn(store)): Promise<Manifest> {
  const source = more.source ?? 'orders'
  const manifest = manifestOf(source, id, [await putArtifact(store, source, id)], more)
  await catalog.publishManifest(manifest)
  return manifest
}

export function proofOf(manifest: Manifest, digest: string, more: Partial<Proof> = {}): Proof {
  const at = '2026-01-02T03:04:05.678Z'
  return {
    format: 'holdfast/v1',
    type: 'proof',
    source: manifest.source,
    id: manifest.id,
    depth: 'full',
    ok: true,
    startedAt: at,
    completedAt: at,
    seconds: 1.5,
    where: 'here',
    manifestDigest: digest,
    assertions: [{ name: 'rows', ok: true, expected: '1', actual: '1' }],
    workflowId: 'verify',
    runId: 'run',
    ...more,
  }
}

export async function keysIn(store: Store, prefix = ''): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix)) keys.push(key)
  return keys
}
