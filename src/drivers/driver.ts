/**
 * What knows one kind of source. A driver never mentions Temporal, a repository's layout or a config file's location:
 * it is given what it needs, and gives back what happened. test/conformance/driver.ts holds each to these promises.
 */
import type { Readable } from 'node:stream'
import type { Artifact, Assertion, Content, Inventory, Manifest, Reference } from '../core/records.ts'
import type { PointKind } from '../core/ids.ts'
import type { Gap } from '../core/log.ts'
import type { Command } from '../process/command.ts'
import type { Held } from '../wal/contents.ts'
import type { FetchingArchive } from '../wal/fetch.ts'

export interface Progress {
  phase: string
  bytes?: number
  parts?: number
  totalBytes?: number
}

export interface DriverContext {
  /** Aborted when the run is cancelled or the worker stops: everything started is stopped before the promise rejects. */
  signal: AbortSignal
  onProgress(progress: Progress): void
}

export interface Finding {
  name: string
  ok: boolean
  detail: string
  next?: string
}

/** What a source looks like before it is captured; `ok: false` findings of `required: true` refuse the backup. */
export interface Preflight {
  versions: Record<string, string>
  /** Bytes of the source as it stands, for progress and plausibility. */
  estimateBytes: number
  findings: (Finding & { required: boolean })[]
}

export interface CaptureRequest {
  id: string
  kind: PointKind
  /** 1 for the first try: later ones write to other keys, so that a frozen first try that thaws spoils nothing. */
  attempt: number
  /**
   * Labels of the engine's backups that recovery points reference. An incremental builds on no other: what no point
   * references is kept by nobody. On whichever is there where this is not given.
   */
  known?: readonly string[]
  /** The point that an incremental builds on, of a driver whose points share objects; absent for all other kinds, and for the first. */
  base?: Manifest
  /** Reads the artifacts of `base`; fails with KEY_MISSING on a worker without an identity. */
  baseSource?: ArtifactSource
  /** What `snapshot` gave, for a driver that has it. */
  snapshot?: Snapshot
  /** What an earlier try of this run gave to `keep` last, with what reads it; absent where none did. */
  kept?: { checkpoint: Artifact; source: ArtifactSource }
  /** For the next try, should this one not end: a small artifact that says what is stored whole by now. Objects of it may become part of the point. */
  keep?(checkpoint: Artifact): void
}

/** What an engine has left to be uploaded: where it is, in the driver's own words. Plain data without secrets. */
export type Snapshot = Readonly<Record<string, string | number | boolean>>

/** Where a driver puts the bytes of one part: compressed, encrypted, digested and stored by the pipeline. */
export interface ArtifactSink {
  /** Resolves once the object is stored whole, which is only after every stage exited 0. */
  store(part: { part: string; role: string; required: boolean; stages: Command[] }): Promise<Artifact>
  /** A stream that this process reads, like a file or an answer; its content is digested as well. An error of it stores nothing. */
  storeStream(part: { part: string; role: string; required: boolean; stream: Readable }): Promise<Artifact>
  storeBytes(part: { part: string; role: string; required: boolean; bytes: Buffer }): Promise<Artifact>
}

export interface Captured {
  artifacts: Artifact[]
  reference?: Reference
  consistency: Manifest['consistency']
  content?: Content
  inventory?: Inventory
  sizeBytes: number
  /** Where it is not the sum of the artifacts: what an engine of its own stored. */
  storedBytes?: number
  fileCount: number
  warnings: string[]
}

/** Gives the plain bytes of an artifact: downloaded, BLAKE3 compared, decrypted, decompressed; fails at the end if any does not fit. */
export interface ArtifactSource {
  /** Feeds the plain bytes to the command's standard input; resolves after everything exited 0 and the digest fits. */
  feed(artifact: Artifact, into: Command): Promise<void>
  /** Writes them to a new file. */
  toFile(artifact: Artifact, path: string): Promise<void>
  read(artifact: Artifact): Promise<Readable>
}

/** A running, quarantined instance that a restore filled, or the place to fill. Plain data: it travels between activities. */
export interface Target {
  kind: 'scratch' | 'beside' | 'live'
  /** Folder that holds everything of it. */
  dir: string
  /** Without secrets: libpq key=value words, a URL, a path. Scratch instances listen on a socket in `dir`, else on loopback. */
  connection: string
  /** What was filled, by its name: a database, a collection, a folder. */
  database: string
  /** A command that looks at it, where it is not `psql` with the connection. */
  connect?: string
}

/** What is wanted of a point, beyond all of it in the usual way. A driver refuses with INPUT_INVALID what it does not know. */
export interface RestoreChoice {
  /** Only these, by names that `show` lists: files, graphs, collections, schemas. */
  parts?: readonly string[]
  /** Somewhere else than where the source is configured to be: a folder, another name. */
  into?: string
  /** What becomes of what is there already. */
  mode?: 'empty' | 'replace' | 'upsert'
  /** A time with its offset: what came after the point is replayed up to it and no further. `latest`: all of it. */
  to?: string
  /** The number of the last event that is wanted. */
  toSequence?: number
}

/** Where a restore over a live target may put what it needs meanwhile, and where it reads from. */
export interface Filling {
  context: DriverContext
  source: ArtifactSource
  dir: string
  choice: RestoreChoice
  /** Throws CANCELLED where this try was given up: asked right before what must not happen twice. */
  stillWanted?(): Promise<void>
}

/** What it takes to look at a point without restoring it. */
export interface Looking {
  context: DriverContext
  source: ArtifactSource
}

/** What a restore over the live target would change there. */
export interface Difference {
  /** The live target, by a name that people know. */
  target: string
  /** It is in the point only, in both and not the same, in the live target only. */
  added: number
  changed: number
  removed: number
  same: number
  /** The first of them. */
  changes: { change: 'added' | 'changed' | 'removed'; name: string; why?: string }[]
}

/** A question of the user's own about what was restored, in the words of the driver. */
export interface UserAssertion {
  name: string
  [question: string]: unknown
}

export interface RestoreTarget {
  time?: string
  lsn?: string
  xid?: string
  name?: string
  /** The number of an event. */
  sequence?: number
  latest?: boolean
  timeline?: number
}

export interface Restored {
  target: Target
  /** Where replay stopped, for engines that replay. */
  stoppedAt?: { lsn?: string; time?: string; xid?: string; sequence?: string; timeline?: number; paused: boolean }
  bytes: number
  /** What an operator has to know of it. */
  notes?: string[]
  /** What was asked for and may not be in it. */
  warnings?: string[]
}

/** Over a live target: beside it first, then in its place, atomically where the engine can; the old one kept where it can be. */
export interface LiveRestore {
  /** Names the live target beyond doubt: what `confirm` must repeat. A choice may name another target than the source. */
  fingerprint(choice?: RestoreChoice): Promise<string>
  /**
   * Throws CONFIRM_MISMATCH, SPACE_SHORT. Changes nothing. With the artifacts at hand, a refusal may say what the restore
   * would change.
   */
  check(manifest: Manifest, confirm: string, choice?: RestoreChoice, looking?: Looking): Promise<void>
  /** What will take the place, filled from the point and compared. A half of an earlier try is removed first. `oid` names it beyond doubt. */
  restoreAside(
    context: DriverContext,
    manifest: Manifest,
    source: ArtifactSource,
    place?: { dir: string; choice: RestoreChoice },
  ): Promise<{ database: string; oid?: string; bytes: number }>
  /**
   * Puts it in the place of the live one. Safe to repeat: a swap that happened is found again. With the oid that
   * restoreAside gave, nothing else is swapped in: a straggler may have made it again, half full.
   */
  swap(manifest: Manifest, confirm: string, oid?: string, filling?: Filling): Promise<Swapped>
  /** Asked of the live target once it was replaced and everything around it is back; a failure degrades the restore. */
  readonly afterwards?: readonly { name: string; run(context: DriverContext): Promise<void> }[]
  /** True where such a choice brings the projections back itself: then they are not built anew. */
  restoresProjections?(choice: RestoreChoice): boolean
  /** Removes what restoreAside made; no error where there is nothing, nothing happens after a swap. */
  removeAside(manifest: Manifest, place?: { dir: string; choice: RestoreChoice }): Promise<void>
}

export interface Swapped {
  database: string
  /** The name under which what was replaced is kept. */
  keptAs?: string
  /** What an operator does with what is kept, or has to know now. */
  notes?: string[]
  /** What is lacking although it is in its place. */
  warnings?: string[]
}

export interface ArchiveKeeping {
  /** Every moment of this span before now stays recoverable, like `7d`. */
  window: string
  /** All points of the archive, of whichever source; a sound one, whose proof did not fail, may be what replay begins with. */
  points: readonly { manifest: Manifest; sound: boolean }[]
  /** Points that a dry run would have deleted by now. */
  leaving?: readonly Manifest[]
  dryRun: boolean
}

export interface ArchiveExpiry {
  segments: number
  bytes: number
  /** Why nothing may go; `unhealthy` where that is nothing to wait for. */
  left?: string
  unhealthy?: true
}

/** A log that `holdfast wal-push` archives, and what is to be kept of it. */
export interface LogKeeping {
  archive: string
  held: readonly Held[]
  /** Every point that stays, of whichever archive. */
  points: readonly Manifest[]
  /** What was archived since stays. */
  before: Date
}

export interface LogLeaving {
  /** Names of what goes, oldest first: never with a gap before what stays. */
  go: string[]
  /** So many more are old enough, and stay for this point. */
  needed?: { segments: number; by: string }
  /** Why nothing may go. */
  left?: string
  /** Entries after this point that no segment has, and later ones have: no moment behind them is reached from it. */
  missing?: { gaps: Gap[]; after: string }
}

/** A backup that was taken without Holdfast, and can become a point. */
export interface FoundBackup {
  /** The same whenever and wherever it is found: a digest, a label of the engine. */
  origin: string
  /** Where it is, for people. */
  from: string
  kind: PointKind
  createdAt: string
  completedAt: string
  description: string
  tags: string[]
  schemaVersion?: string | number
  sizeBytes: number
  /** What is not known of it. */
  warnings: string[]
}

export interface FoundBackups {
  /** Oldest first: what others need comes before them. */
  backups: FoundBackup[]
  /** Those that are points already. */
  already: number
  /** What is no backup for this source, and why; `broken` where it was meant as one. */
  left: { from: string; why: string; broken: boolean }[]
}

/** Backups from before Holdfast, as points of the source. Nothing is changed or removed where they are. */
export interface Adoption {
  /**
   * Looks through the places, each a path or what else the driver calls a place; reads what it finds. `known` are origins of points,
   * also of other sources that share an engine's repository; `own` are those of this source: what a point of it may build on.
   */
  find(context: DriverContext, from: readonly string[], known: ReadonlySet<string>, own?: ReadonlySet<string>): Promise<FoundBackups>
  /** What `find` found becomes what a capture gives. Throws INTEGRITY where it is not the same any more. */
  take(
    context: DriverContext,
    backup: FoundBackup,
    id: string,
    sink: ArtifactSink,
  ): Promise<Captured & { versions: Record<string, string> }>
}

export interface Due {
  due: boolean
  /** In words, for whoever looks at a run that did nothing. */
  detail: string
}

export interface SnapshotKeeping {
  /** Younger ones stay, like `7d`. */
  keep: string
  /** Points that a restore has proved. */
  good: readonly Manifest[]
  dryRun: boolean
}

export interface SnapshotExpiry {
  removed: number
  /** Old enough, and left alone because their content is in no good point. */
  unproved: number
}

export interface SourceDriver {
  readonly kind: string
  readonly capabilities: {
    pointInTime: boolean
    incremental: boolean
    hostBound: boolean
    parts: boolean
    /** An incremental point has objects of its base among its artifacts. */
    sharesObjects?: boolean
    /** What of a restore may be chosen; anything else is refused before it begins. */
    choices?: readonly (keyof RestoreChoice)[]
  }
  /** Looks at the source and changes nothing. */
  preflight(context: DriverContext): Promise<Preflight>
  /**
   * For an engine that leaves a file or a snapshot behind: makes it, and says where it is. Found again by the id at a
   * second try; capture is given it.
   */
  snapshot?(context: DriverContext, request: CaptureRequest): Promise<Snapshot>
  /** Removes what `snapshot` left for this id, also of a try that was killed. Harmless where there is nothing. */
  removeSnapshot?(context: DriverContext, id: string): Promise<void>
  /**
   * Where the source stands now, in its own words: what it holds at this moment is in every point that is captured later.
   * An engine that can leaves a mark of that name, to which a recovery can go exactly.
   */
  mark?(context: DriverContext, label: string): Promise<Record<string, string>>
  /** One consistent capture. Leaves nothing behind on the source but its snapshot, also when it fails or is stopped. */
  capture(context: DriverContext, request: CaptureRequest, sink: ArtifactSink): Promise<Captured>
  /**
   * Restores the point into a new instance under `dir`, quarantined: no archiving, no replication, no network. Removes
   * what an earlier try left in `dir` first. `to` is refused by drivers without point in time.
   */
  restore(
    context: DriverContext,
    manifest: Manifest,
    source: ArtifactSource,
    options: { dir: string; to?: RestoreTarget; promote?: boolean; choice?: RestoreChoice },
  ): Promise<Restored>
  /** Every assertion of the depth on a restored target. A failed one is a result, not an error. */
  verify(
    context: DriverContext,
    manifest: Manifest,
    target: Target,
    options: { depth: 'restore' | 'full'; assertions: readonly UserAssertion[] },
  ): Promise<Assertion[]>
  /** Stops the instance and removes `dir`. May be called twice and on halves. */
  destroy(target: { dir: string }): Promise<void>
  /** The point to begin with for a target, of those given; throws TARGET_OUT_OF_RANGE, TARGET_AMBIGUOUS. Changes nothing. */
  plan?(target: RestoreTarget, manifests: readonly Manifest[]): Promise<{ label: string; timeline: number; pointId?: string }>
  /** What can be recovered, with its gaps. */
  window?(): Promise<unknown>
  /** Asks the engine, without reading, for the backup that a point references: what the depth `list` means for such points. */
  listReference?(manifest: Manifest): Promise<Assertion[]>
  /**
   * Reads the engine's whole repository again: what the depth `read` means for points that reference it, however long it
   * takes. With a manifest it tells what is wrong for that point: damage to backups that it does not need is not.
   */
  verifyRepository?(context: DriverContext, manifest?: Manifest): Promise<{ ok: boolean; problems: string[] }>
  /** Putting a point in the place of the live database; absent where that is not possible. */
  live?: LiveRestore
  /** What to do instead, or about it, where that depends on the source. */
  readonly notLive?: string
  /** Taking over backups that others took; absent where a driver knows none. */
  readonly adoption?: Adoption
  /** What `live` would change, by a look that changes nothing. */
  diff?(manifest: Manifest, choice: RestoreChoice, looking: Looking): Promise<Difference>
  /** Removes what the engine itself stores of a point, by its label: the manifest is gone by then. May be called twice. */
  expirePoint?(label: string): Promise<void>
  /** Labels of the engine's backups that need this one, so that expirePoint would refuse. */
  dependentsOf?(label: string): Promise<string[]>
  /**
   * Removes what the engine stores of a capture that is no point and will be none, by its id: also what a try left that
   * was killed. `published` are labels that belong to points and are left alone. Harmless where there is nothing.
   */
  discardCapture?(context: DriverContext, id: string, published: readonly string[]): Promise<void>
  /**
   * Removes what the archive holds from before the window, but for what the points need to be restored by themselves;
   * with `dryRun` only says how much that is. Why nothing may go is a result, not an error.
   */
  expireArchive?(keeping: ArchiveKeeping): Promise<ArchiveExpiry>
  /** What of a log that `holdfast wal-push` archives no point needs any more; takes nothing away. */
  planLog?(keeping: LogKeeping): LogLeaving
  /** Whether so much came since the newest point that another one is due: for a source whose points follow what is written. */
  due?(context: DriverContext, newest: Manifest | undefined): Promise<Due>
  /** Removes what the engine keeps of its own snapshots where the source is, as far as it is in good points. */
  expireSnapshots?(context: DriverContext, keeping: SnapshotKeeping): Promise<SnapshotExpiry>
  /** Ends the current WAL segment and returns its name once the archive has it. */
  switchWal?(): Promise<string>
}

/** What a driver is made with, beside the configuration of its source. */
export interface DriverWiring {
  /** The name of the source. */
  source: string
  /** Of a source on PostgreSQL: where the server is now; of a pair, the side that takes writes. */
  connection(): Promise<string>
  /** The value of a secret reference, at the last moment. */
  secret(reference: string): Promise<string>
  /**
   * An archive of the configuration, for an engine that ships its log with `holdfast wal-push`. With `together` as one with its
   * copies, which may reach further back.
   */
  archive?(name: string, options?: { together?: boolean }): Promise<FetchingArchive>
  /** What runs Holdfast itself: no run restores over what it stands on. */
  orchestrator: { address: string; namespace: string }
}
