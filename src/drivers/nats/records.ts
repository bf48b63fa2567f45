/** The small parts beside each snapshot: what the server answered, and the consumers with their positions. Read back as they were written. */
import { blake3 } from '@napi-rs/blake-hash'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import type { ArtifactSource } from '../driver.ts'
import type { ConsumerInfo, StreamConfig, StreamInfo, StreamState } from './answers.ts'
import type { Range } from './ranges.ts'

/** Roles of the artifacts of a stream. */
export const ROLES = { snapshot: 'stream', answer: 'stream-config', consumers: 'consumers' } as const

/** What `nats stream restore` looks for beside a snapshot. */
export interface Answer {
  config: StreamConfig
  state: StreamState
}

export interface ConsumersRecord {
  stream: string
  /** When the stream was made: a snapshot does not say it. */
  created: string
  /** How far it had come in each stream that it takes messages from. */
  sources: NonNullable<StreamInfo['sources']>
  consumers: ConsumerInfo[]
  /** The snapshot was asked for without them. */
  apart?: boolean
  /** Sequences that the digest of its content is of, where those are not all: the others were removed during the capture. */
  compared?: Range[]
}

/** What the manifest says of each stream, beside the inventory. */
export interface StreamRecord {
  /** Of its artifacts. */
  folder: string
  created: string
  /** Version of the server that made the snapshot. */
  version: string
  bytes: number
  storage: StreamConfig['storage']
  subjects: string[]
}

/** A folder's name that every store can keep. */
export function folderOf(stream: string): string {
  const encoded = encodeURIComponent(stream).replaceAll('*', '%2A')
  return encoded.length <= 200 ? encoded : blake3(Buffer.from(stream)).toString('hex')
}

/** Stream to its record; throws INTEGRITY where the manifest does not say. */
export function streamsIn(manifest: Manifest): Record<string, StreamRecord> {
  const { streams } = manifest.consistency as { streams?: Record<string, StreamRecord> }
  if (streams) return streams
  const object = `${manifest.source}/${manifest.id}`
  throw new HoldfastError('INTEGRITY', `the manifest of ${object} does not name its streams`, { object })
}

/** The names that are wanted, all of them where none is chosen. */
export function wantedOf(manifest: Manifest, parts: readonly string[] | undefined): string[] {
  const names = Object.keys(streamsIn(manifest)).sort()
  const unknown = parts?.find((part) => !names.includes(part))
  if (unknown === undefined) return parts ? names.filter((name) => parts.includes(name)) : names
  throw new HoldfastError('INPUT_INVALID', `${manifest.source}/${manifest.id} has no stream ${unknown}`, {
    object: unknown,
    next: `name streams of the point: ${names.join(', ')}`,
  })
}

export interface StreamParts extends StreamRecord {
  name: string
  snapshot: Artifact
  answer: Artifact
  consumers: Artifact
}

export function partsOf(manifest: Manifest, name: string): StreamParts {
  const record = streamsIn(manifest)[name] as StreamRecord
  const find = (role: string): Artifact => {
    const found = manifest.artifacts.find((artifact) => artifact.role === role && artifact.part.startsWith(`${record.folder}/`))
    if (found) return found
    throw new HoldfastError('INTEGRITY', `${manifest.source}/${manifest.id} has no ${role} of ${name}`, { object: name })
  }
  return { ...record, name, snapshot: find(ROLES.snapshot), answer: find(ROLES.answer), consumers: find(ROLES.consumers) }
}

/** Everything of a stream but its snapshot. */
export interface StreamPoint extends Answer {
  parts: StreamParts
  record: ConsumersRecord
}

export async function readStream(manifest: Manifest, source: ArtifactSource, name: string): Promise<StreamPoint> {
  const parts = partsOf(manifest, name)
  const { config, state } = await readJson<Answer>(source, parts.answer)
  if (config.name === name) return { parts, config, state, record: await readJson<ConsumersRecord>(source, parts.consumers) }
  throw new HoldfastError('INTEGRITY', `${parts.answer.key} is of the stream ${config.name}, not of ${name}`, { object: parts.answer.key })
}

async function readJson<T>(source: ArtifactSource, artifact: Artifact): Promise<T> {
  const chunks: Buffer[] = []
  for await (const chunk of await source.read(artifact)) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as T
}
