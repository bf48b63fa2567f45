/** Downloads the snapshots that were made, exports the points, and says what a proof may compare. */
import { Readable } from 'node:stream'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Artifact, Inventory } from '../../core/records.ts'
import type { ArtifactSink, Captured, CaptureRequest, DriverContext } from '../driver.ts'
import { canonicalJson } from './canonical.ts'
import { findCollection } from './collections.ts'
import { isStatus } from './errors.ts'
import { aliasFacts, entryOf, exportEntryOf, factsOf } from './facts.ts'
import { type AliasesNote, type CollectionNote, readNotes, type SnapshotNote, vanished } from './note.ts'
import { ALIASES, partName, type SnapshotFacts } from './parts.ts'
import { unchanged } from './sample.ts'
import { type Content, contentOf, createContentDigest, scroll } from './scroll.ts'
import type { Server } from './server.ts'
import { download } from './transfer.ts'
import { type Nodes, type Work, withNodes } from './work.ts'

interface Capturing {
  work: Work
  context: DriverContext
  nodes: Nodes
  sink: ArtifactSink
  warnings: string[]
}

interface Taken {
  artifacts: Artifact[]
  inventory: Inventory
}

export async function capture(work: Work, context: DriverContext, request: CaptureRequest, sink: ArtifactSink): Promise<Captured> {
  return withNodes(work, context.signal, async (nodes) => {
    const { collections, snapshots, aliases, warnings } = await notesOf(nodes[0], request)
    const capturing: Capturing = { work, context, nodes, sink, warnings }
    const taken: Taken[] = [await takeAliases(capturing, aliases)]
    for (const note of collections) {
      const own = snapshots.filter(({ collection }) => collection === note.collection)
      taken.push((await takeCollection(capturing, note, own)) ?? { artifacts: [], inventory: {} })
    }
    const artifacts = taken.flatMap((one) => one.artifacts)
    const times = snapshots.map(({ sentAt }) => sentAt).sort()
    return {
      artifacts,
      inventory: Object.assign({}, ...taken.map(({ inventory }) => inventory)),
      consistency: {
        time: times[0] ?? new Date().toISOString(),
        // Each collection has a moment of its own: so late is the last.
        ...(times.length > 0 && { until: times.at(-1) }),
        nodes: [...new Map(snapshots.map(({ node, peer }) => [peer, node]))].map(([peer, node]) => ({ node, peer })),
      },
      sizeBytes: artifacts.reduce((sum, { plainBytes = 0 }) => sum + plainBytes, 0),
      fileCount: artifacts.length,
      warnings,
    }
  })
}

async function notesOf(server: Server, { id, snapshot }: CaptureRequest) {
  const { notes, attempt } = snapshot ?? {}
  const written = typeof notes === 'string' ? await readNotes(server, notes) : undefined
  if (!written)
    throw new HoldfastError('NOT_FOUND', `the snapshots of ${id} are not on ${server.url} any more`, {
      object: id,
      next: 'start the backup again',
    })
  const own = written.filter((note) => note.attempt === attempt)
  const byName = (a: { collection: string }, b: { collection: string }) => (a.collection < b.collection ? -1 : 1)
  return {
    collections: own.filter((note): note is typeof note & CollectionNote => note.kind === 'collection').sort(byName),
    snapshots: own.filter((note): note is typeof note & SnapshotNote => note.kind === 'snapshot' && note.made !== undefined),
    warnings: own.flatMap((note) => (note.kind === 'warning' ? [note.text] : [])),
    aliases: own.find((note): note is typeof note & AliasesNote => note.kind === 'aliases')?.aliases ?? [],
  }
}

async function takeAliases({ sink }: Capturing, aliases: AliasesNote['aliases']): Promise<Taken> {
  const artifact = await sink.storeBytes({ part: ALIASES, role: ALIASES, required: true, bytes: Buffer.from(canonicalJson(aliases)) })
  return { artifacts: [artifact], inventory: { aliases: aliasFacts(aliases) } }
}

/** Undefined where somebody has removed the collection meanwhile: the source has it no more. */
async function takeCollection(capturing: Capturing, note: CollectionNote, snapshots: SnapshotNote[]): Promise<Taken | undefined> {
  const { collection, info } = note
  const { nodes, sink, warnings } = capturing
  try {
    const files: Artifact[] = []
    for (const snapshot of snapshots) files.push(await takeSnapshot(capturing, snapshot, snapshots.length > 1))
    const look = await takePoints(capturing, note)
    // Points that no write has touched around the snapshot.
    const sample = await unchanged(nodes[0], collection, note.sample)
    const store = (role: 'config' | 'sample', text: string) =>
      sink.storeBytes({ part: partName(collection, role), role, required: true, bytes: Buffer.from(text) })
    const facts = factsOf(note, look.content, sample.length)
    if (facts['payloads'] === undefined) warnings.push(notCompared(capturing.work, note))
    return {
      artifacts: [
        ...files,
        await store('config', canonicalJson(info)),
        ...(sample.length > 0 ? [await store('sample', sample.map((point) => `${canonicalJson(point)}\n`).join(''))] : []),
        ...look.artifacts,
      ],
      inventory: { [entryOf(collection)]: facts, ...look.inventory },
    }
  } catch (error) {
    if (!isStatus(error, 404) || (await findCollection(nodes[0], collection))) throw error
    warnings.push(vanished(collection))
    return undefined
  }
}

function notCompared({ config }: Work, { collection, content }: CollectionNote): string {
  return content
    ? `${collection} was written to meanwhile: a proof compares its counts and the points of a sample`
    : `${collection} has more than ${config.compare.digestUpTo} points: a proof compares its count and the points of a sample; raise compare.digestUpTo to read it twice`
}

async function takeSnapshot({ nodes, sink, context }: Capturing, note: SnapshotNote, several: boolean): Promise<Artifact> {
  const { collection, made, peer, shards } = note
  const node = nodes.find(({ url }) => url === note.node)
  if (!node || !made) throw new HoldfastError('SOURCE_UNFIT', `${note.node} is no node of the source any more`, { object: note.node })
  context.onProgress({ phase: `snapshot of ${collection}`, totalBytes: made.size })
  const stream = await download(node, collection, made)
  const artifact = await sink.storeStream({
    part: partName(collection, 'snapshot', several ? peer : undefined),
    role: 'snapshot',
    required: true,
    stream,
  })
  const facts: SnapshotFacts = { snapshot: made.name, ...(made.checksum && { sha256: made.checksum }), peer, shards }
  return { ...artifact, ...facts }
}

interface Look {
  artifacts: Artifact[]
  inventory: Inventory
  content?: Content
}

/** The second look at every point, which is the export where there is one. */
async function takePoints(capturing: Capturing, note: CollectionNote): Promise<Look> {
  const { work, context, nodes, warnings } = capturing
  const { collection, content: before } = note
  const { enabled, optional, batchSize } = work.config.export
  const onPoints = (points: number) => context.onProgress({ phase: `read ${points} of ${note.to} points of ${collection}` })
  const options = { collection, batchSize, onPoints }
  if (enabled) {
    try {
      return await exportPoints(capturing, options, !optional)
    } catch (error) {
      if (!optional || context.signal.aborted || isStatus(error, 404)) throw error
      warnings.push(`${collection} was not exported: ${messageOf(error)}`)
    }
  }
  return { artifacts: [], inventory: {}, ...(before && { content: await contentOf(nodes[0], options) }) }
}

async function exportPoints({ nodes, sink }: Capturing, options: Parameters<typeof scroll>[1], required: boolean): Promise<Look> {
  const { collection } = options
  const digest = createContentDigest()
  async function* lines() {
    for await (const point of scroll(nodes[0], options)) {
      digest.add(point)
      yield `${canonicalJson(point)}\n`
    }
  }
  const stream = Readable.from(lines(), { objectMode: false })
  const artifact = await sink.storeStream({ part: partName(collection, 'export'), role: 'export', required, stream })
  const content = digest.content()
  return { artifacts: [artifact], inventory: { [exportEntryOf(collection)]: { ...content } }, content }
}
