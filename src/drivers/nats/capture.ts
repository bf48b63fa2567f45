/** A capture: each stream by a snapshot that is uploaded as it comes, with its consumers, and what a proof compares. */
import { HoldfastError } from '../../core/errors.ts'
import { bytesOf } from '../../core/duration.ts'
import type { Artifact, Inventory } from '../../core/records.ts'
import type { ArtifactSink, Captured as CapturedPoint, DriverContext } from '../driver.ts'
import { type ConsumerInfo, isLasting, serverOf, type StreamInfo, type StreamState } from './answers.ts'
import type { NatsSourceConfig } from './config.ts'
import { averageOf, type Content, contentOf } from './content.ts'
import { type Captured, consumerFacts, type Positions, removedSince, streamFacts, type Subjects, subjectsOf } from './facts.ts'
import { findStream, type JetStream, listConsumers, listStreams, type Place, streamInfo, withJetStream } from './jetstream.ts'
import { type ConsumersRecord, folderOf, ROLES, type StreamRecord } from './records.ts'
import { originsFirst, selected } from './select.ts'
import { openSnapshot } from './snapshot.ts'
import { EXACT_SNAPSHOTS, isOlder } from './versions.ts'

interface Work {
  js: JetStream
  config: NatsSourceConfig
  context: DriverContext
  sink: ArtifactSink
  warnings: string[]
}

export async function capture(config: NatsSourceConfig, place: Place, context: DriverContext, sink: ArtifactSink): Promise<CapturedPoint> {
  const time = new Date().toISOString()
  return withJetStream(place, context.signal, async (js) => {
    const work: Work = { js, config, context, sink, warnings: [] }
    const artifacts: Artifact[] = []
    const streams: Record<string, StreamRecord> = {}
    const inventory: Inventory = {}
    const found = selected(config, await listStreams(js))
    // Mirrors before their origins: then no mirror of the point is ahead of what it mirrors.
    for (const { name } of originsFirst(found.map((info) => info.config)).reverse()) {
      const made = await captureOrMiss(work, name)
      if (!made) continue
      artifacts.push(...made.artifacts)
      streams[name] = made.record
      Object.assign(inventory, made.inventory)
    }
    if (artifacts.length === 0)
      throw new HoldfastError('SOURCE_UNFIT', `${place.servers} has no stream left to capture`, { object: place.servers })
    return {
      artifacts,
      inventory,
      consistency: { time, streams },
      sizeBytes: artifacts.reduce((sum, { plainBytes = 0 }) => sum + plainBytes, 0),
      fileCount: artifacts.length,
      warnings: work.warnings,
    }
  })
}

interface Made {
  artifacts: Artifact[]
  record: StreamRecord
  inventory: Inventory
}

/** A stream that its owner removes meanwhile is no failure of the others. */
async function captureOrMiss(work: Work, name: string): Promise<Made | undefined> {
  const before = await findStream(work.js, name)
  const version = before && versionOf(work.js, before)
  if (before?.config.storage === 'memory' && isOlder(version ?? '', EXACT_SNAPSHOTS)) {
    work.warnings.push(`${name} is in memory, which NATS ${version} makes no snapshots of: it is not in this point`)
    return undefined
  }
  try {
    if (before) return await captureStream(work, before)
  } catch (error) {
    const now = work.context.signal.aborted ? before : await findStream(work.js, name)
    if (now?.created === before?.created) throw error
  }
  work.warnings.push(`${name} was removed during the capture: it is not in this point`)
  return undefined
}

/**
 * A consumer that asks for replicas of its own is refused by a server that is one, and the whole snapshot with it: so it
 * is made again from its record. In a cluster, where alone it can be, a snapshot knows no more of it than that.
 */
const isPlaced = ({ config }: ConsumerInfo): boolean => Number(config['num_replicas'] ?? 0) > 1

const versionOf = (js: JetStream, info: StreamInfo): string => serverOf(info) ?? js.nc.info?.version ?? ''

async function captureStream(work: Work, before: StreamInfo): Promise<Made> {
  const { js, context, sink } = work
  const { name } = before.config
  const version = versionOf(js, before)
  const folder = folderOf(name)
  context.onProgress({ phase: `stream ${name}`, totalBytes: before.state.bytes })
  const consumersBefore = await listConsumers(js, name)
  const apart = consumersBefore.some(isPlaced)
  const { answer, config, state, stream } = await openSnapshot(js, name, {
    created: before.created,
    withoutConsumers: apart,
  })
  const snapshot = await sink.storeStream({ part: `${folder}/snapshot`, role: ROLES.snapshot, required: true, stream })
  const content = await secondReading(work, name, state)
  const consumers = pairs(consumersBefore, await listConsumers(js, name))
  const subjects = await subjectsIfFew(js, name, state)
  const after = await streamInfo(js, name, { deleted_details: (state.num_deleted ?? 0) <= LISTED_DELETES })
  if (after.created !== before.created)
    throw new HoldfastError('SOURCE_UNFIT', `${name} was made again during its capture`, { object: name, retryable: true })
  const captured: Captured = { config, taken: state, after, consumers, exact: !isOlder(version, EXACT_SNAPSHOTS), content, subjects }
  warnOf(work, captured)
  const record: ConsumersRecord = {
    stream: name,
    created: before.created,
    sources: before.sources ?? [],
    consumers: consumers.map((positions) => positions.before),
    ...(apart && { apart }),
    ...(content && content.messages !== state.messages && { compared: content.ranges }),
  }
  const small = (part: string, role: string, bytes: Buffer) => sink.storeBytes({ part: `${folder}/${part}`, role, required: true, bytes })
  return {
    artifacts: [
      snapshot,
      await small('backup.json', ROLES.answer, answer),
      await small('consumers.json', ROLES.consumers, Buffer.from(JSON.stringify(record))),
    ],
    record: { folder, created: before.created, version, bytes: state.bytes, storage: config.storage, subjects: config.subjects ?? [] },
    inventory: inventoryOf(captured, Boolean(before.cluster?.replicas?.length)),
  }
}

function inventoryOf(captured: Captured, clustered: boolean): Inventory {
  const { name } = captured.config
  const lasting = captured.consumers.filter(({ before }) => isLasting(before))
  return {
    [`stream ${name}`]: streamFacts(captured),
    ...Object.fromEntries(
      lasting.map((positions) => [`consumer ${name}/${positions.before.name}`, consumerFacts(positions, captured.taken, clustered)]),
    ),
  }
}

/** Of those that were there all the time. */
function pairs(before: ConsumerInfo[], after: ConsumerInfo[]): Positions[] {
  const later = new Map(after.map((consumer) => [consumer.name, consumer]))
  return before.flatMap((consumer) => {
    const found = later.get(consumer.name)
    return found ? [{ before: consumer, after: found }] : []
  })
}

/** The list of what was deleted is one answer, however long. */
const LISTED_DELETES = 100_000
const LISTED_SUBJECTS = 1_000_000

async function subjectsIfFew(js: JetStream, name: string, { num_subjects: count = 0 }: StreamState): Promise<Subjects | undefined> {
  return count <= LISTED_SUBJECTS ? subjectsOf(js, name) : undefined
}

/** What is still there after the snapshot was there all the time that it took: so that much of it can be compared exactly. */
async function secondReading({ js, config, context }: Work, stream: string, state: StreamState): Promise<Content | undefined> {
  if (state.bytes > bytesOf(config.digestUpTo) || bytesOf(config.digestUpTo) === 0) return undefined
  const onMessages = (parts: number) => context.onProgress({ phase: `content of ${stream}`, parts })
  return contentOf(js, {
    stream,
    first: state.first_seq,
    last: state.last_seq,
    averageBytes: averageOf(state),
    signal: context.signal,
    onMessages,
  })
}

function warnOf({ warnings }: Work, captured: Captured): void {
  const removed = removedSince(captured)
  if (removed === 0 || captured.content) return
  warnings.push(
    `${captured.config.name}: up to ${removed} messages were removed during its capture, and it is larger than digestUpTo: its count is compared with bounds only`,
  )
}
