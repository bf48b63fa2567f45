/** The catalogue of a repository: everything known of its recovery points, kept beside them. FORMAT.md specifies it. */
import { HoldfastError } from '../core/errors.ts'
import type { PointKind } from '../core/ids.ts'
import type { SetRecord } from '../core/sets.ts'
import type { Hold, KeyNote, Manifest, PointSummary, Proof } from '../core/records.ts'
import type { Reader, Store } from '../storage/store.ts'
import { appendEvidence, type ChainReport, type EvidenceHead, type NewEvidence, publishHead, verifyEvidence } from './evidence.ts'
import { type CopyOptions, type Copied, copyPoint } from './copy.ts'
import { bringAllNotes, compareCopies, type CopyState } from './copy-notes.ts'
import { bringSets } from './copy-sets.ts'
import { manifestKey } from './keys.ts'
import { type PublishedManifest, type Publishing, publishManifest, readManifest } from './manifests.ts'
import { addHold, addKeys, appendProof, holdsOf, keysOf, proofsOf } from './notes.ts'
import type { HeadersOf } from '../pipeline/under-header.ts'
import type { CatalogContext } from './records.ts'
import { deletePoint, discard, type Removed } from './remove.ts'
import { createHeaders, readersOf } from './rotated.ts'
import { reserveId } from './reserve.ts'
import { listSets, publishSet } from './sets.ts'
import { settle } from './settle.ts'
import { rebuildIndex, type Survey, survey } from './survey.ts'
import { type SweepOptions, type Swept, sweepOrphans } from './sweep.ts'

export interface Catalog {
  /** An id of that moment that nobody uses, marked as taken until publish or discard; the same owner gets the same again. */
  reserveId(source: string, kind: PointKind, at: Date, owner?: string): Promise<string>
  /** Makes a point visible, last of all. Checks first that the store has its artifacts. The same run may repeat it. */
  publishManifest(manifest: Manifest, options?: Publishing): Promise<PublishedManifest>
  /** Throws NOT_FOUND, SIGNATURE_INVALID, INTEGRITY. */
  readManifest(source: string, id: string): Promise<PublishedManifest>
  /** The same, or undefined where there is none. */
  findManifest(source: string, id: string): Promise<Manifest | undefined>
  hasManifest(source: string, id: string): Promise<boolean>
  /** Points whose manifest can be trusted, oldest first, source by source. */
  listPoints(source?: string): Promise<PointSummary[]>
  /** The same, with what could not be trusted. */
  survey(source?: string): Promise<Survey>
  /** Reads every record anew and writes a new generation of the index. */
  rebuildIndex(): Promise<Survey>
  appendProof(proof: Proof): Promise<string>
  proofsOf(source: string, id: string): Promise<Proof[]>
  addHold(hold: Hold): Promise<string>
  holdsOf(source: string, id: string): Promise<Hold[]>
  /** Makes the point readable for the recipients of the note as well. */
  addKeys(note: KeyNote): Promise<string>
  keysOf(source: string, id: string): Promise<KeyNote[]>
  /** Recipients that read all of the point, with what it shares of others. */
  readersOf(manifest: Manifest): Promise<string[]>
  /** For one reading of artifacts: what it has read of a point's notes it keeps. */
  headers(): HeadersOf
  deletePoint(source: string, id: string): Promise<Removed>
  discard(source: string, id: string): Promise<Removed>
  /** Removes what tries left below a point whose run has ended: published or given up. Touches no run under way. */
  settle(source: string, id: string): Promise<Removed>
  sweepOrphans(source: string, options: SweepOptions): Promise<Swept>
  /** The same point in another store, byte for byte; safe to repeat. What it needs has to be there before. */
  copyPoint(to: Store, source: string, id: string, options?: CopyOptions): Promise<Copied>
  /** Points that have their copies there, and what these lack. */
  compareCopies(to: Store, source: string): Promise<CopyState[]>
  /** Brings that, and the sets that name these points, as far as it can be trusted; resolves to what could not be. */
  bringNotes(to: Store, source: string): Promise<string[]>
  /** Records what was taken together. The same run may repeat it. */
  publishSet(record: SetRecord): Promise<void>
  /** Newest first; of one set, or of all. */
  listSets(set?: string): Promise<SetRecord[]>
  /** Returns the number of the record in the writer's chain. */
  appendEvidence(writer: string, evidence: NewEvidence): Promise<number>
  verifyEvidence(writer: string, headsIn?: Reader): Promise<ChainReport>
  publishHead(writer: string, elsewhere: Store): Promise<EvidenceHead>
}

/** Without a signer it reads only. */
export function createCatalog(context: CatalogContext): Catalog {
  const { store } = context
  const hasManifest = async (source: string, id: string) => (await store.head(manifestKey(source, id))) !== undefined
  return {
    hasManifest,
    reserveId: (source, kind, at, owner) => reserveId(context, source, kind, at, owner),
    publishManifest: (manifest, options) => publishManifest(context, manifest, options),
    readManifest: (source, id) =>
      readManifest(context, source, id).catch((error: unknown) => {
        throw missingPoint(error, source, id)
      }),
    findManifest: async (source, id) => ((await hasManifest(source, id)) ? (await readManifest(context, source, id)).manifest : undefined),
    listPoints: async (source) => (await survey(context, source)).points,
    survey: (source) => survey(context, source),
    rebuildIndex: () => rebuildIndex(context),
    appendProof: (proof) => appendProof(context, proof),
    proofsOf: (source, id) => proofsOf(context, source, id),
    addHold: (hold) => addHold(context, hold),
    holdsOf: (source, id) => holdsOf(context, source, id),
    addKeys: (note) => addKeys(context, note),
    keysOf: (source, id) => keysOf(context, source, id),
    readersOf: (manifest) => readersOf(context, manifest),
    headers: () => createHeaders(context),
    deletePoint: (source, id) => deletePoint(context, source, id),
    discard: (source, id) => discard(context, source, id),
    settle: (source, id) => settle(context, source, id),
    sweepOrphans: (source, options) => sweepOrphans(context, source, options),
    copyPoint: (to, source, id, options) => copyPoint(context, to, { source, id }, options),
    compareCopies: (to, source) => compareCopies(store, to, source),
    bringNotes: async (to, source) => [...(await bringAllNotes(context, to, source)), ...(await bringSets(context, to, source))],
    publishSet: (record) => publishSet(context, record),
    listSets: (set) => listSets(context, set),
    appendEvidence: (writer, evidence) => appendEvidence(context, writer, evidence),
    verifyEvidence: (writer, headsIn) => verifyEvidence(context, writer, headsIn),
    publishHead: (writer, elsewhere) => publishHead(context, writer, elsewhere),
  }
}

function missingPoint(error: unknown, source: string, id: string): unknown {
  if (!(error instanceof HoldfastError) || error.code !== 'NOT_FOUND') return error
  return new HoldfastError('NOT_FOUND', `${source} has no recovery point ${id}`, {
    object: id,
    next: `holdfast list ${source}`,
    cause: error,
  })
}
