/** A collection filled from a point: from its snapshots, which need the same version, or from its export, which any takes. */
import type { Schemas } from '@qdrant/js-client-rest'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import type { ArtifactSource, DriverContext } from '../driver.ts'
import { type Point, parseJson } from './canonical.ts'
import { type Alias, type CollectionInfo, findCollection } from './collections.ts'
import { ALIASES, artifactOf, artifactsOf, plainBytesOf } from './parts.ts'
import type { Server } from './server.ts'
import { upload } from './transfer.ts'

export interface Filling {
  context: DriverContext
  manifest: Manifest
  source: ArtifactSource
}

export interface Into {
  /** The name that it gets. */
  name: string
  /** Under which an uploaded snapshot is known on the server, until somebody removes it. */
  file: string
  /** The server for a snapshot of this peer. */
  serverOf(peer: string): Server
  last?: () => Promise<void>
}

export async function fillFromSnapshots({ context, manifest, source }: Filling, collection: string, into: Into): Promise<void> {
  for (const artifact of artifactsOf(manifest, collection, 'snapshot')) {
    const bytes = plainBytesOf(artifact)
    context.onProgress({ phase: `restore ${collection}`, totalBytes: bytes })
    context.signal.throwIfAborted()
    await upload(into.serverOf(String(artifact['peer'])), {
      collection: into.name,
      file: into.file,
      bytes,
      sha256: artifact['sha256'] as string | undefined,
      stream: await source.read(artifact),
      ...(into.last && { last: into.last }),
    })
  }
}

/** Of one request; Qdrant takes 32 MB by default. */
const REQUEST_BYTES = 8 * 1024 * 1024

/** Writes every point of the export; those of other ids that the collection has stay. `made` hears of a new one while it is empty. */
export async function fillFromExport(
  filling: Filling,
  collection: string,
  server: Server,
  { name, made }: { name: string; made?: () => Promise<void> },
): Promise<void> {
  const { context, manifest, source } = filling
  const artifact = artifactOf(manifest, collection, 'export')
  if (!(await findCollection(server, name))) {
    await createLike(server, name, await configOf(filling, collection))
    await made?.()
  }
  let batch: Point[] = []
  let bytes = 0
  let written = 0
  const flush = async () => {
    if (batch.length > 0) await upsert(server, name, batch)
    written += batch.length
    context.onProgress({ phase: `restore ${collection}`, parts: written })
    batch = []
    bytes = 0
  }
  for await (const line of linesOf((await source.read(artifact)) as AsyncIterable<Buffer>)) {
    batch.push(parseJson(line) as Point)
    bytes += line.length
    if (bytes > REQUEST_BYTES || batch.length >= 1000) await flush()
  }
  await flush()
}

async function upsert(server: Server, collection_name: string, batch: readonly Point[]): Promise<void> {
  const points = batch as unknown as Schemas['PointStruct'][]
  await server.ask(`points into ${collection_name}`, (api, init) => api.upsertPoints({ collection_name, wait: true, points }, init), {
    timeout: 'snapshot',
  })
}

/** A collection of the same vectors, settings and payload indexes, empty. */
async function createLike(server: Server, collection_name: string, { config, payload_schema }: RecordedInfo): Promise<void> {
  const { params, hnsw_config, optimizer_config, wal_config, quantization_config, ...rest } = config
  if (params.sharding_method === 'custom')
    throw new HoldfastError('INPUT_INVALID', `${collection_name} has shards with names, which an export does not make again`, {
      object: collection_name,
      next: 'restore its snapshot: leave mode out',
    })
  const settings = {
    ...params,
    hnsw_config,
    // Settings of a cluster of another size stay those of the target.
    optimizers_config: optimizer_config,
    ...(wal_config && { wal_config }),
    ...(quantization_config && { quantization_config }),
    ...('metadata' in rest && rest.metadata ? { metadata: rest.metadata } : {}),
  } as unknown as Schemas['CreateCollection']
  const what = `the collection ${collection_name}`
  await server.ask(what, (api, init) => api.createCollection({ collection_name, ...settings }, init), { timeout: 'snapshot' })
  for (const [field_name, index] of Object.entries(payload_schema)) {
    const field_schema = (index?.params ?? index?.data_type) as Schemas['PayloadFieldSchema']
    await server.ask(`the index ${field_name} of ${collection_name}`, (api, init) =>
      api.createFieldIndex({ collection_name, wait: true, field_name, field_schema }, init),
    )
  }
}

export type RecordedInfo = Pick<CollectionInfo, 'config' | 'payload_schema'>

export async function configOf({ manifest, source }: Pick<Filling, 'manifest' | 'source'>, collection: string): Promise<RecordedInfo> {
  return parseJson(await textOf(source, artifactOf(manifest, collection, 'config'))) as RecordedInfo
}

/** Those that led to these collections. */
export async function recordedAliases(
  { manifest, source }: Pick<Filling, 'manifest' | 'source'>,
  collections: readonly string[],
): Promise<Alias[]> {
  const artifact = manifest.artifacts.find(({ role }) => role === ALIASES)
  const aliases = artifact ? (parseJson(await textOf(source, artifact)) as Alias[]) : []
  return aliases.filter(({ collection_name }) => collections.includes(collection_name))
}

/** The recorded points of the sample. */
export async function sampleOf({ manifest, source }: Pick<Filling, 'manifest' | 'source'>, collection: string): Promise<Point[]> {
  const [artifact] = artifactsOf(manifest, collection, 'sample')
  if (!artifact) return []
  return (await textOf(source, artifact))
    .split('\n')
    .filter(Boolean)
    .map((line) => parseJson(line) as Point)
}

async function textOf(source: ArtifactSource, artifact: Artifact): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of await source.read(artifact)) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}
