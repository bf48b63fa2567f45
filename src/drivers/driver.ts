/**
 * What knows one kind of source. A driver never mentions Temporal, a repository's layout or a config file's location:
 * it is given what it needs, and gives back what happened. test/conformance/driver.ts holds each to these promises.
 */
import type { Readable } from 'node:stream'
import type { Artifact, Assertion, Content, Manifest, Reference } from '../core/records.ts'
import type { PointKind } from '../core/ids.ts'
import type { Command } from '../process/command.ts'

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
}

/** Where a driver puts the bytes of one part: compressed, encrypted, digested and stored by the pipeline. */
export interface ArtifactSink {
  /** Resolves once the object is stored whole, which is only after every stage exited 0. */
  store(part: { part: string; role: string; required: boolean; stages: Command[] }): Promise<Artifact>
  storeBytes(part: { part: string; role: string; required: boolean; bytes: Buffer }): Promise<Artifact>
}

export interface Captured {
  artifacts: Artifact[]
  reference?: Reference
  consistency: Manifest['consistency']
  content?: Content
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
  /** libpq key=value words without secrets; scratch instances listen on a socket in `dir` only. */
  connection: string
  database: string
}

export interface RestoreTarget {
  time?: string
  lsn?: string
  xid?: string
  name?: string
  latest?: boolean
  timeline?: number
}

export interface Restored {
  target: Target
  /** Where replay stopped, for engines that replay. */
  stoppedAt?: { lsn?: string; time?: string; xid?: string; timeline?: number; paused: boolean }
  bytes: number
}

/** Over a live database: beside it first, then in its place in one transaction, the old one kept under another name. */
export interface LiveRestore {
  /** Names the live target beyond doubt: what `confirm` must repeat. */
  fingerprint(): Promise<string>
  /** Throws CONFIRM_MISMATCH, SPACE_SHORT. Changes nothing. */
  check(manifest: Manifest, confirm: string): Promise<void>
  /** A new database on the live server, filled from the point. A half of an earlier try is removed first. */
  restoreAside(
    context: DriverContext,
    manifest: Manifest,
    source: ArtifactSource,
  ): Promise<{ database: string; oid: string; bytes: number }>
  /**
   * Ends the sessions and swaps the names in one transaction. Safe to repeat: a swap that happened is found again. With
   * the oid that restoreAside gave, nothing else is swapped in: a straggler may have made the database again, half full.
   */
  swap(manifest: Manifest, confirm: string, oid?: string): Promise<{ database: string; keptAs: string }>
  /** Removes what restoreAside made; no error where there is nothing, nothing happens after a swap. */
  removeAside(manifest: Manifest): Promise<void>
}

export interface SourceDriver {
  readonly kind: string
  readonly capabilities: { pointInTime: boolean; incremental: boolean; hostBound: boolean; parts: boolean }
  /** Looks at the source and changes nothing. */
  preflight(context: DriverContext): Promise<Preflight>
  /** One consistent capture. Leaves nothing behind on the source, also when it fails or is stopped. */
  capture(context: DriverContext, request: CaptureRequest, sink: ArtifactSink): Promise<Captured>
  /**
   * Restores the point into a new instance under `dir`, quarantined: no archiving, no replication, no network. Removes
   * what an earlier try left in `dir` first. `to` is refused by drivers without point in time.
   */
  restore(
    context: DriverContext,
    manifest: Manifest,
    source: ArtifactSource,
    options: { dir: string; to?: RestoreTarget; promote?: boolean },
  ): Promise<Restored>
  /** Every assertion of the depth on a restored target. A failed one is a result, not an error. */
  verify(
    context: DriverContext,
    manifest: Manifest,
    target: Target,
    options: { depth: 'restore' | 'full'; assertions: { name: string; sql: string }[] },
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
  /** Removes what the engine itself stores of a point, by its label: the manifest is gone by then. May be called twice. */
  expirePoint?(label: string): Promise<void>
  /** Labels of the engine's backups that need this one, so that expirePoint would refuse. */
  dependentsOf?(label: string): Promise<string[]>
  /**
   * Removes what the engine stores of a capture that is no point and will be none, by its id: also what a try left that
   * was killed. `published` are labels that belong to points and are left alone. Harmless where there is nothing.
   */
  discardCapture?(context: DriverContext, id: string, published: readonly string[]): Promise<void>
  /** Ends the current WAL segment and returns its name once the archive has it. */
  switchWal?(): Promise<string>
}
