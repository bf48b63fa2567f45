/** Snapshots of every collection on every node, each written down before it is asked for. */
import { HoldfastError } from '../../core/errors.ts'
import type { CaptureRequest, DriverContext, Snapshot } from '../driver.ts'
import { canonicalJson, digestOf } from './canonical.ts'
import {
  absent,
  aliasesOf,
  collectionInfo,
  collectionNames,
  deleteSnapshot,
  exactCount,
  listSnapshots,
  selected,
  shardsOf,
  type SnapshotDescription,
} from './collections.ts'
import { isStatus } from './errors.ts'
import { type CollectionNote, noteName, openNotes, type SnapshotNote, vanished, write } from './note.ts'
import { removeForgotten, removeNoted } from './removal.ts'
import { takeSample } from './sample.ts'
import { contentOf } from './scroll.ts'
import type { Server } from './server.ts'
import { type Nodes, type Work, withNodes } from './work.ts'

/** What a later step is given: where the rest is written. */
export async function makeSnapshots(work: Work, context: DriverContext, { id, attempt }: CaptureRequest): Promise<Snapshot> {
  return withNodes(work, context.signal, async (nodes) => {
    const [first] = nodes
    const problems = await removeForgotten(work, nodes)
    // What an earlier try of the same point left.
    await removeNoted(nodes, noteName(work.source, id))
    const notes = noteName(work.source, id)
    const all = await aliasesOf(first)
    const names = selected(work.config, await collectionNames(first), all)
    await openNotes(first, notes)
    const aliases = all.filter(({ collection_name }) => names.includes(collection_name))
    await write(first, notes, { attempt, kind: 'aliases', aliases })
    for (const text of problems) await write(first, notes, { attempt, kind: 'warning', text })
    for (const collection of names) await snapshotCollection({ work, context, nodes, notes, attempt }, collection)
    return { notes, attempt, collections: names.length }
  })
}

interface Making {
  work: Work
  context: DriverContext
  nodes: Nodes
  notes: string
  attempt: number
}

async function snapshotCollection(making: Making, collection: string): Promise<void> {
  const { nodes, notes, attempt } = making
  const note = await noteOf(making, collection)
  // Somebody may have removed it meanwhile.
  await write(nodes[0], notes, { attempt, ...(note ?? { kind: 'warning', text: vanished(collection) }) })
}

/** With its snapshots made. Undefined where it has gone. */
async function noteOf(making: Making, collection: string): Promise<CollectionNote | undefined> {
  const { nodes, context } = making
  context.onProgress({ phase: `look at ${collection}` })
  const before = await absent(lookBefore(making, collection))
  if (!before) return undefined
  for (const node of nodes) {
    context.onProgress({ phase: `snapshot of ${collection}` })
    if (!(await snapshotOn(making, node, collection))) return undefined
  }
  const to = await absent(exactCount(nodes[0], collection))
  return to === undefined ? undefined : { ...before, to }
}

async function lookBefore({ work: { config }, context, nodes: [first] }: Making, collection: string): Promise<Omit<CollectionNote, 'to'>> {
  const { config: settings, payload_schema } = await collectionInfo(first, collection)
  const from = await exactCount(first, collection)
  const onPoints = (points: number) => context.onProgress({ phase: `read ${points} of ${from} points of ${collection}` })
  const content =
    from <= config.compare.digestUpTo ? await contentOf(first, { collection, batchSize: config.export.batchSize, onPoints }) : undefined
  const sample = (await takeSample(first, collection, config.compare.sample)).map(
    (point) => [point.id, digestOf(point)] as [typeof point.id, string],
  )
  return { kind: 'collection', collection, info: { config: settings, payload_schema }, from, sample, ...(content && { content }) }
}

/** False where the collection has gone. */
async function snapshotOn({ nodes: [first], notes, attempt }: Making, node: Server, collection_name: string): Promise<boolean> {
  const place = await absent(shardsOf(node, collection_name))
  if (!place) return false
  const seen = (await listSnapshots(node, collection_name)).map(({ name }) => name)
  const note: SnapshotNote = {
    kind: 'snapshot',
    collection: collection_name,
    node: node.url,
    peer: String(place.peer_id),
    shards: canonicalJson(place.local_shards.map(({ shard_id }) => shard_id).sort((a, b) => a - b)),
    sentAt: new Date().toISOString(),
    seen,
  }
  const { key } = await write(first, notes, { attempt, ...note })
  const made = await ask(node, collection_name).catch(async (error: unknown) => {
    const refused = isRefusal(error)
    if (refused) await write(first, notes, { attempt, ...note, refused }, key)
    if (isStatus(error, 404)) return undefined
    throw error
  })
  if (!made) return false
  const { name, size, checksum } = made
  await write(first, notes, { attempt, ...note, made: { name, size, checksum: checksum ?? null } }, key).catch(async (error: unknown) => {
    // The run was given up, and its notes with it: nobody else will remove this one.
    if (isStatus(error, 404)) await deleteSnapshot(node, collection_name, name)
    throw error
  })
  return true
}

/** Qdrant said that it has not made one, or was not asked. Of all others nobody knows: a proxy may only have lost patience. */
function isRefusal(error: unknown): boolean {
  const { status, sent } = error instanceof HoldfastError ? error.details : {}
  return sent === false || (typeof status === 'number' && status <= 500 && status !== 408)
}

async function ask(node: Server, collection_name: string): Promise<SnapshotDescription> {
  if (node.signal?.aborted)
    throw new HoldfastError('CANCELLED', `no snapshot of ${collection_name} was asked for`, {
      object: collection_name,
      details: { sent: false },
    })
  return node.ask(`a snapshot of ${collection_name}`, (api, init) => api.createSnapshot({ collection_name, wait: true }, init), {
    timeout: 'snapshot',
  })
}
