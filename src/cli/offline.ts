/** Recovery with nothing but a bare repository and a key: no Temporal, no configuration, no worker. */
import { mkdir, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Catalog, createCatalog } from '../catalog/catalog.ts'
import { createVerifier } from '../catalog/signing.ts'
import { readKeyFile } from '../config/key-files.ts'
import type { RepositoryConfig } from '../config/schema.ts'
import { soundestOf } from '../core/points.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Manifest } from '../core/records.ts'
import type { Progress } from '../drivers/driver.ts'
import { createSource } from '../pipeline/read.ts'
import { openStore } from '../storage/open.ts'
import { restoreFiles } from './offline-logical.ts'
import { restoreCluster } from './offline-physical.ts'

export interface OfflineRequest {
  source: string
  /** An id, or `latest`. */
  point: string
  repository: string
  identityFile: string
  /** A folder that is not there yet. */
  into: string
  /** Each `id=base64`. */
  publicKeys: string[]
  /** Each `name=value`, over what a physical point says of its engine's repository. */
  engineSettings: string[]
  signal: AbortSignal
  onProgress(progress: Progress): void
}

export interface OfflineResult {
  id: string
  files: string[]
  warnings: string[]
  /** What to type next, in order. */
  next: string[]
}

/** Leaves nothing behind where it fails. */
export async function restoreOffline(request: OfflineRequest): Promise<OfflineResult> {
  const { source, repository, identityFile, signal } = request
  const into = resolve(request.into)
  const settings = pairsOf(request.engineSettings, '--engine-setting', 'repo1-path=/mnt/backups')
  const verifier = createVerifier(keysOf(request.publicKeys))
  await readKeyFile('identity', identityFile)
  const store = await openStore(parseRepository(repository))
  try {
    const catalog = createCatalog({ store, verifier })
    const { manifest, warnings } = await choose(catalog, request)
    const artifacts = createSource({ store, identityFile, headersOf: catalog.headers(), signal })
    await mkdir(into, { mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EEXIST' ? 'it is there already' : cause.message
      throw new HoldfastError('INPUT_INVALID', `${into} cannot be made: ${why}`, {
        object: into,
        next: 'name a new folder with --into',
        cause,
      })
    })
    try {
      const restored = manifest.reference
        ? await restoreCluster(manifest, artifacts, { ...request, into, settings })
        : await restoreFiles(manifest, artifacts, { ...request, into })
      return { id: manifest.id, warnings: [...warnings, ...manifest.warnings.map((warning) => `of the backup: ${warning}`)], ...restored }
    } catch (error) {
      await rm(into, { recursive: true, force: true, maxRetries: 5 })
      throw error instanceof HoldfastError && error.code === 'NOT_FOUND'
        ? new HoldfastError('INTEGRITY', `${source} ${manifest.id} is not whole: ${error.message}`, { object: error.object, cause: error })
        : error
    }
  } finally {
    store.close()
  }
}

/** `folder:/path`, `ssh://user@host:port/path`, or `s3://bucket/prefix` with AWS_ENDPOINT_URL, AWS_REGION and AWS_CA_BUNDLE from the environment. */
export function parseRepository(url: string): RepositoryConfig {
  if (url.startsWith('folder:')) return { type: 'folder', path: resolve(url.slice('folder:'.length)) }
  const [, user, host, port, path] = /^ssh:\/\/(?:([^@/]+)@)?([^@/:]+)(?::(\d+))?(\/.+)$/.exec(url) ?? []
  if (host && path) return { type: 'ssh', host, path, ...(user && { user }), ...(port && { port: Number(port) }) }
  const found = /^s3:\/\/([^/]+)\/?(.*)$/.exec(url)
  if (!found?.[1])
    throw new HoldfastError('INPUT_INVALID', `"${url}" is no repository`, {
      object: url,
      next: 'use folder:/path, s3://bucket/prefix or ssh://user@host/path',
    })
  const { AWS_ENDPOINT_URL: endpoint, AWS_REGION: region, AWS_CA_BUNDLE: caFile } = process.env
  return {
    type: 's3',
    bucket: found[1],
    prefix: found[2] ?? '',
    region: region ?? 'us-east-1',
    uploads: 4,
    ...(endpoint && { endpoint }),
    ...(caFile && { caFile }),
  }
}

/** Given without its id, the `=` that ends a base64 would part them: no message says its text, which may be the wrong key. */
function keysOf(words: string[]): Record<string, string> {
  for (const word of words) {
    if (/^[^=]+=[^=]/.test(word)) continue
    throw new HoldfastError('INPUT_INVALID', 'a --public-key stands there without its id: give it as id=base64', {
      object: '--public-key',
      next: 'copy both from signing.publicKeys of the worker that signs, like --public-key key-2026=mQ9x…=',
    })
  }
  return pairsOf(words, '--public-key', 'key-2026=mQ9x…=')
}

function pairsOf(words: string[], option: string, example: string): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=')
      if (at < 1)
        throw new HoldfastError('INPUT_INVALID', `"${word}" is no name=value`, { object: word, next: `write it like ${option} ${example}` })
      return [word.slice(0, at), word.slice(at + 1)]
    }),
  )
}

const LOOK = 'look at what is below holdfast/v1/ in the repository'
/** So many ids are shown to who named one that is not there. */
const SHOWN = 5

/** The point asked for; the newest sound one of those that the keys signed where it is `latest`. */
async function choose(catalog: Catalog, request: OfflineRequest): Promise<{ manifest: Manifest; warnings: string[] }> {
  const { source, point, repository } = request
  if (point !== 'latest') return { manifest: await named(catalog, request), warnings: [] }
  const { points, problems } = await catalog.survey(source)
  const found = soundestOf(points)
  if (found) return { manifest: (await catalog.readManifest(source, found.id)).manifest, warnings: found.warnings }
  const problem = problems[0]
  if (problem) {
    throw new HoldfastError(
      'SIGNATURE_INVALID',
      `${repository} has no recovery point of ${source} that these keys signed: ${problem.message}`,
      {
        object: problem.key,
        next: 'give every public key with --public-key id=base64, as in signing.publicKeys',
      },
    )
  }
  throw new HoldfastError('NOT_FOUND', `${repository} has no recovery point of ${source}`, {
    object: source,
    next: LOOK,
  })
}

/** No configuration is here for `holdfast list`: where the id is wrong, the repository says which there are. */
async function named(catalog: Catalog, { source, point, repository }: OfflineRequest): Promise<Manifest> {
  try {
    return (await catalog.readManifest(source, point)).manifest
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'NOT_FOUND') throw error
    const ids = (await catalog.listPoints(source)).slice(-SHOWN).map(({ id }) => id)
    throw new HoldfastError('NOT_FOUND', `${repository} has no recovery point ${point} of ${source}`, {
      object: point,
      next: ids.length > 0 ? `name one that is there, like the newest: ${ids.reverse().join(', ')}` : LOOK,
      cause: error,
    })
  }
}
