/** Which recovery points there are. One listing says what stands in the store; the index spares reading what it covers. */
import { HoldfastError, isUnsound } from '../core/errors.ts'
import type { PointSummary } from '../core/records.ts'
import type { ObjectInfo, Reader } from '../storage/store.ts'
import { digestOf } from './canonical.ts'
import { mapConcurrently } from './concurrent.ts'
import { type IndexEntry, type Problem, readGeneration, writeGeneration } from './generations.ts'
import { parseKey, ROOT, sourcePrefix } from './keys.ts'
import { readManifest } from './manifests.ts'
import { readHold, readProof } from './notes.ts'
import { type CatalogContext, isGone, misplaced } from './records.ts'
import { summarise } from './summary.ts'

export interface Survey {
  /** Oldest first, source by source. Only points whose manifest could be trusted. */
  points: PointSummary[]
  /** What could not: altered, planted or misplaced records, each with its key. Never silently left out by a caller. */
  problems: Problem[]
}

interface Found {
  source: string
  id: string
  manifest: ObjectInfo
  proofs: ObjectInfo[]
  holds: ObjectInfo[]
  /** Of its artifacts; the empty one is the store's usual one. */
  classes: Set<string>
}
interface Read {
  found: Found
  entry?: IndexEntry
  problems: Problem[]
}

/** So many points that the index does not cover are read each time; with more a new generation is written. */
const UNCOVERED = 16

/** Every point of the source, or of all. A catalogue that can sign keeps the index up to date on the way. */
export async function survey(context: CatalogContext, source?: string): Promise<Survey> {
  const generation = await readGeneration(context)
  const known = new Map(generation.entries.map((entry) => [nameOf(entry.summary), entry]))
  const found = await findPoints(context.store, source)
  const covered = (point: Found) => {
    const entry = known.get(nameOf(point))
    // A key that is not trusted any more takes its points along, whoever signed the index.
    return entry?.fingerprint === fingerprintOf(point) && entry.summary.signers?.every((keyId) => context.verifier.trusts(keyId)) === true
  }
  const fresh = await mapConcurrently(
    found.filter((point) => !covered(point)),
    (point) => readPoint(context, point),
  )
  const before = found.filter(covered).map((point) => known.get(nameOf(point)) as IndexEntry)
  const classes = new Map(found.map((point) => [nameOf(point), point.classes]))
  const others = source === undefined ? [] : generation.entries.filter(({ summary }) => summary.source !== source)

  const clean = indexable(fresh)
  const gone = generation.entries.length - others.length - before.length
  if (context.signer && clean.length + gone > UNCOVERED) await tryWrite(context, generation.number + 1, [...others, ...before, ...clean])
  return {
    points: sorted([...before, ...fresh.flatMap(({ entry }) => entry ?? [])]).map((point) => inClasses(point, classes.get(nameOf(point)))),
    problems: [...generation.problems, ...fresh.flatMap(({ problems }) => problems)],
  }
}

/** The same from the records alone, and a new generation of the index made of it. */
export async function rebuildIndex(context: CatalogContext): Promise<Survey> {
  const { number } = await readGeneration(context)
  const read = await mapConcurrently(await findPoints(context.store), (point) => readPoint(context, point))
  await writeGeneration(context, number + 1, indexable(read))
  return { points: sorted(read.flatMap(({ entry }) => entry ?? [])), problems: read.flatMap(({ problems }) => problems) }
}

async function findPoints(store: Reader, source?: string): Promise<Found[]> {
  const folders = new Map<string, Omit<Found, 'manifest'> & { manifest?: ObjectInfo }>()
  for await (const info of store.list(source === undefined ? ROOT : sourcePrefix(source))) {
    const place = parseKey(info.key)
    if (!place) continue
    const { source: name, id } = place
    const folder = folders.get(nameOf(place)) ?? { source: name, id, proofs: [], holds: [], classes: new Set<string>() }
    folders.set(nameOf(place), folder)
    if (place.kind === 'data') folder.classes.add(info.storageClass ?? '')
    if (place.kind === 'manifest') folder.manifest = info
    if (place.kind === 'proof') folder.proofs.push(info)
    if (place.kind === 'hold') folder.holds.push(info)
  }
  return [...folders.values()].filter((folder): folder is Found => folder.manifest !== undefined)
}

/** A manifest that cannot be trusted is no point; a proof or hold that cannot be trusted does not count. Both are told. */
async function readPoint(context: CatalogContext, found: Found): Promise<Read> {
  const { source, id } = found
  const problems: Problem[] = []
  const trusted = async <T>(key: string, read: () => Promise<T>): Promise<T[]> => {
    try {
      return [await read()]
    } catch (error) {
      if (isGone(error)) return []
      if (!isUnsound(error)) throw error
      problems.push({ key, code: error.code, message: error.message })
      return []
    }
  }
  const [published] = await trusted(found.manifest.key, () => readManifest(context, source, id))
  if (!published) return { found, problems }
  const proofs = await mapConcurrently(found.proofs, ({ key }) =>
    trusted(key, async () => {
      const proof = await readProof(context, source, id, key)
      if (proof.manifestDigest !== published.digest) throw misplaced(key, 'it proves another manifest')
      return proof
    }),
  )
  const holds = await mapConcurrently(found.holds, ({ key }) => trusted(key, () => readHold(context, source, id, key)))
  return {
    found,
    problems,
    entry: { fingerprint: fingerprintOf(found), summary: summarise(published.manifest, proofs.flat(), holds.flat()) },
  }
}

/** Only what is beyond doubt is kept in the index; the rest is read, and told, each time. */
function indexable(read: Read[]): IndexEntry[] {
  return read.flatMap(({ entry, problems }) => (entry && problems.length === 0 ? [entry] : []))
}

/** Counted up where summaries of the same records come out otherwise: those that the index has are made anew. */
const RULES = 3

function fingerprintOf({ manifest, proofs, holds }: Found): string {
  const lines = [manifest, ...proofs, ...holds].map(({ key, size }) => `${key} ${size}`)
  return digestOf(Buffer.from([...lines, manifest.modified.getTime(), `rules ${RULES}`].join('\n'))).slice(0, 32)
}

/** A worker that may only read lists all the same. */
async function tryWrite(context: CatalogContext, number: number, entries: IndexEntry[]): Promise<void> {
  try {
    await writeGeneration(context, number, entries)
  } catch (error) {
    if (!(error instanceof HoldfastError && error.code === 'STORE_DENIED')) throw error
  }
}

function sorted(entries: IndexEntry[]): PointSummary[] {
  return entries.map(({ summary }) => summary).sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}

function inClasses(point: PointSummary, classes: ReadonlySet<string> = new Set()): PointSummary {
  if (![...classes].some(Boolean)) return point
  return { ...point, storageClasses: [...classes].map((one) => one || 'STANDARD').sort() }
}

function nameOf({ source, id }: { source: string; id: string }): string {
  return `${source}/${id}`
}
