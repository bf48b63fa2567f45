/** Recovery with nothing but a bare repository and a key: no Temporal, no configuration, no worker. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createCatalog } from '../catalog/catalog.ts'
import { createVerifier } from '../catalog/signing.ts'
import type { RepositoryConfig } from '../config/schema.ts'
import { HoldfastError } from '../core/errors.ts'
import { createSource } from '../pipeline/read.ts'
import { openStore } from '../storage/open.ts'

export interface OfflineRequest { source: string; point: string; repository: string; identityFile: string; into: string; publicKeys: string[] }
export interface OfflineResult { id: string; files: string[]; warnings: string[]; next: string[] }

/** `folder:/path`, or `s3://bucket/prefix` with AWS_ENDPOINT_URL, AWS_REGION and AWS_CA_BUNDLE from the environment. */
export function parseRepository(url: string): RepositoryConfig {
  if (url.startsWith('folder:')) return { type: 'folder', path: url.slice('folder:'.length) }
  const found = /^s3:\/\/([^/]+)\/?(.*)$/.exec(url)
  if (!found?.[1]) throw new HoldfastError('INPUT_INVALID', `"${url}" is no repository`, { next: 'use folder:/path or s3://bucket/prefix' })
  const { AWS_ENDPOINT_URL: endpoint, AWS_REGION: region, AWS_CA_BUNDLE: caFile } = process.env
  return { type: 's3', bucket: found[1], prefix: found[2] ?? '', region: region ?? 'us-east-1', uploads: 4, ...(endpoint && { endpoint }), ...(caFile && { caFile }) }
}

/** Every artifact of the point as a plain file in a new folder, with the commands that bring it into a server. */
export async function restoreOffline(request: OfflineRequest): Promise<OfflineResult> {
  await readFile(request.identityFile).catch((cause: unknown) => {
    throw new HoldfastError('KEY_MISSING', `The identity ${request.identityFile} cannot be read`, { object: request.identityFile, cause })
  })
  const keys = Object.fromEntries(request.publicKeys.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
  const store = await openStore(parseRepository(request.repository))
  try {
    const catalog = createCatalog({ store, verifier: createVerifier(keys) })
    const points = await catalog.listPoints(request.source)
    const id = request.point === 'latest' ? points.at(-1)?.id : request.point
    if (!id) throw new HoldfastError('NOT_FOUND', `${request.repository} has no recovery point of ${request.source} that these keys signed`, { object: request.source, next: 'give every public key with --public-key id=base64' })
    const { manifest } = await catalog.readManifest(request.source, id)
    await mkdir(request.into, { recursive: false, mode: 0o700 }).catch((cause: unknown) => {
      throw new HoldfastError('INPUT_INVALID', `${request.into} cannot be made: it must not exist yet`, { object: request.into, cause })
    })
    const source = createSource({ store, identityFile: request.identityFile })
    const files: string[] = []
    for (const artifact of manifest.artifacts) {
      const path = join(request.into, artifact.part.replaceAll('/', '_'))
      await source.toFile(artifact, path)
      files.push(path)
    }
    return { id, files, warnings: manifest.warnings, next: commandsFor(manifest.driver, request.into, files) }
  } finally {
    store.close()
  }
}

function commandsFor(driver: string, into: string, files: string[]): string[] {
  const named = (part: string) => files.find((file) => file.includes(`/${part}`))
  if (driver === 'postgres-logical') return [named('globals') && `psql -f ${named('globals')} postgres`, named('database') && `pg_restore --create --dbname postgres ${named('database')}`].filter((line): line is string => Boolean(line))
  return [`the passphrase of the pgBackRest repository is in ${into}; FORMAT.md shows the pgbackrest restore command`]
}
