/**
 * What Holdfast asks of a place that keeps objects. Ask for the smallest role you need. What every implementation
 * promises is tested by test/conformance/store.ts; a driver retries nothing itself (see retrying.ts).
 */
import type { Readable } from 'node:stream'

export interface ObjectInfo {
  key: string
  size: number
  modified: Date
  /** The store's own checksum of the whole object, base64 of the big-endian CRC32, where it keeps one. */
  crc32?: string
  retainUntil?: Date
  /** Where the store has classes and this is not in its usual one. */
  storageClass?: string
  /** Of one whose class cannot be read as it is: whether somebody has asked for it, and it can be read by now. Only by head. */
  thaw?: 'none' | 'asked' | 'readable'
}

export interface Lister {
  /** Every object whose key begins with the prefix, in key order, each once. Sees every write that was acknowledged. */
  list(prefix: string): AsyncIterable<ObjectInfo>
}

export interface Reader extends Lister {
  /** The object's size and checksum as the store has them, or undefined where there is none. */
  head(key: string): Promise<ObjectInfo | undefined>
  /** The object's bytes. Throws NOT_FOUND; a connection that ends early is an error of the stream, never a short read. */
  get(key: string, options?: { signal?: AbortSignal; start?: number }): Promise<Readable>
}

/** One object being written in parts; invisible until complete. */
export interface Upload {
  readonly key: string
  readonly id: string
  /** Part numbers begin at 1; parts may be sent in any order and again. The buffer may be reused once it resolves. */
  part(number: number, body: Buffer, signal?: AbortSignal): Promise<void>
  /**
   * Makes the object visible, whole, and only if there is none at the key: else STORE_CONFLICT and nothing changed.
   * `crc32` is that of the whole object (base64); a store that keeps checksums compares and refuses.
   */
  complete(whole: { size: number; crc32: string }): Promise<ObjectInfo>
  /** Forgets the parts. May be called after any failure and twice. */
  abort(): Promise<void>
}

export interface PendingUpload {
  key: string
  id: string
  started: Date
}

export interface Writer {
  /**
   * Small objects only. Atomic: readers see all of it or nothing. With `ifAbsent` an object that stands there is kept
   * and `exists` is returned; a retry after a lost reply that finds its own bytes returns `created`.
   */
  put(key: string, body: Buffer, options: { ifAbsent: boolean }): Promise<'created' | 'exists'>
  startUpload(key: string): Promise<Upload>
  /** Part sizes that the store accepts: every part but the last is at least this many bytes. */
  readonly minPartBytes: number
  pendingUploads(prefix: string): AsyncIterable<PendingUpload>
  abortUpload(upload: { key: string; id: string }): Promise<void>
  /** `locked` is a normal answer of a store with object lock. Deleting what is not there is no error. */
  delete(key: string): Promise<'deleted' | 'absent' | 'locked'>
}

export interface Thawing {
  /** How soon, in the words of the store: Expedited, Standard, Bulk. */
  tier: string
  /** How long it stays readable. */
  days: number
}

/** Classes of storage that cost less, and may have to be asked before they can be read. */
export interface Classes {
  /**
   * The same object in that class: bytes, checksum and what was said of it stay. An object under a lock stays where it is.
   * In a store that keeps versions the one that was moved goes, and older ones that are the same, as an earlier call left them.
   * Safe to repeat.
   */
  moveTo(key: string, storageClass: string, signal?: AbortSignal): Promise<'moved' | 'there' | 'locked' | 'absent'>
  /** Asks for it to become readable; nothing where that was asked already, or is not needed. */
  thaw(key: string, how: Thawing): Promise<void>
}

export interface Store extends Reader, Writer {
  /** Where it has them. */
  readonly classes?: Classes
  /** For messages; holds no secret: `s3://bucket/prefix`, `folder:/path`, `memory`. */
  readonly name: string
  close(): void
}

/** The whole of a small object. */
export async function readAll(store: Reader, key: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of await store.get(key)) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
