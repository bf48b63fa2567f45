/** Archives one file: resolves only once its content and the record that names it are durable in the store. */
import { randomBytes } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { seal } from '../catalog/records.ts'
import type { Signer } from '../catalog/signing.ts'
import { HoldfastError } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'
import { parseHistory } from '../core/wal.ts'
import { createSink } from '../pipeline/capture.ts'
import type { ObjectInfo, Store } from '../storage/store.ts'
import { digestOf, openFile, sizeOf, textOf, unchanged } from './file.ts'
import { parseWalName, placeOf, recordKeyOf, type WalName } from './names.ts'
import { findRecord, type ReadingArchive, type WalRecord, walRecordSchema } from './record.ts'

export interface WritingArchive extends ReadingArchive {
  store: Store
  signer: Signer | undefined
  recipients: readonly string[]
  compressionLevel: number
}

export interface Pushed {
  name: string
  /** `same`: it was archived before, with this content. */
  outcome: 'archived' | 'same'
  plainBytes: number
  storedBytes: number
}

const MIB = 1024 * 1024
/** A segment travels in one request, which leaves nothing behind where it is cut short. */
const ONE_REQUEST = 64 * MIB
/** What zstd and age add at most to what cannot be compressed. */
const packed = (bytes: number): number => bytes + Math.ceil(bytes / 100) + MIB

/** Throws STORE_CONFLICT where other content is archived under the name, which stays as it is. */
export async function pushWal(archive: WritingArchive, path: string, signal?: AbortSignal): Promise<Pushed> {
  const name = parseWalName(basename(path))
  const file = await openFile(path)
  try {
    const size = await sizeOf(file, path, name)
    const there = await standing(archive, name)
    const record = there.has(recordKeyOf(archive.archive, name)) ? await findRecord(archive, name) : undefined
    const pushed = record ? await compare(archive, record, file, there) : await archiveFile({ archive, name, file, path, signal })
    // Of tries that were killed, or of one beside this one that can no longer win.
    await sweep(archive, name, pushed.record, there)
    if (size > ONE_REQUEST) await sweepUploads(archive, name)
    const { plainBytes, storedBytes } = pushed.record.artifact
    return { name: name.name, outcome: pushed.outcome, plainBytes, storedBytes }
  } finally {
    await file.close()
  }
}

type Outcome = Pick<Pushed, 'outcome'> & { record: WalRecord }

interface Archiving {
  archive: WritingArchive
  name: WalName
  file: FileHandle
  path: string
  signal: AbortSignal | undefined
}

async function archiveFile(work: Archiving): Promise<Outcome> {
  const { archive, name, signal } = work
  const stored = await storeContent(work)
  if ('record' in stored) return stored
  const { artifact } = stored
  try {
    signal?.throwIfAborted()
    const history = name.kind === 'history' ? { history: parseHistory(await textOf(work.file)) } : {}
    const record: WalRecord = {
      format: 'holdfast/v1',
      type: 'wal',
      archive: archive.archive,
      name: name.name,
      archivedAt: new Date().toISOString(),
      writtenAt: (await work.file.stat()).mtime.toISOString(),
      holdfastVersion: VERSION,
      artifact,
      encryption: { recipients: [...archive.recipients] },
      ...history,
    }
    const { bytes } = seal(archive, walRecordSchema, record)
    if ((await archive.store.put(recordKeyOf(archive.archive, name), bytes, { ifAbsent: true })) === 'created')
      return { outcome: 'archived', record }
  } catch (error) {
    await archive.store.delete(artifact.key)
    throw error
  }
  await archive.store.delete(artifact.key)
  return compareWithWinner(work)
}

/** Under a name of its own for each try: a straggler spoils nothing, and nothing is overwritten. */
async function storeContent(work: Archiving): Promise<{ artifact: WalRecord['artifact'] } | Outcome> {
  const { archive, name, file, path, signal } = work
  const before = await file.stat()
  const sink = createSink({
    store: archive.store,
    prefix: placeOf(archive.archive, name),
    attempt: 1,
    recipients: archive.recipients,
    compressionLevel: archive.compressionLevel,
    firstPartBytes: before.size <= ONE_REQUEST ? packed(before.size) : ONE_REQUEST,
    ...(signal && { signal }),
  })
  const part = randomBytes(8).toString('hex')
  try {
    const stream = file.createReadStream({ start: 0, autoClose: false, highWaterMark: MIB })
    const artifact = await sink.storeStream({ part, role: 'wal', required: true, stream })
    if (!unchanged(before, await file.stat())) {
      await archive.store.delete(artifact.key)
      throw new HoldfastError('INPUT_INVALID', `${path} was written to while it was archived`, {
        object: path,
        next: 'archive a file only once the engine has finished it',
      })
    }
    return { artifact: walRecordSchema.shape.artifact.parse(artifact) }
  } catch (error) {
    // The winner of two at once took this upload for a leftover.
    if (error instanceof HoldfastError && error.code === 'NOT_FOUND') return compareWithWinner(work, error)
    throw error
  }
}

async function compareWithWinner({ archive, name, file }: Archiving, cause?: unknown): Promise<Outcome> {
  const winner = await findRecord(archive, name)
  if (winner) return compare(archive, winner, file, await standing(archive, name))
  throw cause ?? new HoldfastError('STORE_CONFLICT', `the record of ${name.name} was taken away again`, { object: name.name })
}

async function compare(
  { archive }: WritingArchive,
  record: WalRecord,
  file: FileHandle,
  there: ReadonlyMap<string, ObjectInfo>,
): Promise<Outcome> {
  const { name, archivedAt, artifact } = record
  const digest = await digestOf(file)
  if (digest !== artifact.contentBlake3) {
    throw new HoldfastError(
      'STORE_CONFLICT',
      `${archive} has another ${name}: archived at ${archivedAt} with BLAKE3 ${artifact.contentBlake3}, this file has ${digest}; the archived one was left as it is`,
      { object: name, next: 'find out which other server or timeline archives under this name, and give each an archive of its own' },
    )
  }
  const { size } = there.get(artifact.key) ?? {}
  if (size !== artifact.storedBytes) {
    throw new HoldfastError(
      'INTEGRITY',
      `${archive} has a record of ${name}, and ${size === undefined ? 'no object' : `${size} bytes`} where ${artifact.storedBytes} bytes belong`,
      { object: artifact.key, next: `take a new base backup; delete ${name} from the archive to archive this file again` },
    )
  }
  return { outcome: 'same', record }
}

async function standing({ archive, store }: WritingArchive, name: WalName): Promise<Map<string, ObjectInfo>> {
  const found = new Map<string, ObjectInfo>()
  for await (const info of store.list(placeOf(archive, name))) found.set(info.key, info)
  return found
}

async function sweep({ archive, store }: WritingArchive, name: WalName, record: WalRecord, there: ReadonlyMap<string, ObjectInfo>) {
  const kept = [recordKeyOf(archive, name), record.artifact.key]
  for (const key of there.keys()) if (!kept.includes(key)) await store.delete(key)
}

async function sweepUploads({ archive, store }: WritingArchive, name: WalName): Promise<void> {
  for await (const upload of store.pendingUploads(placeOf(archive, name))) await store.abortUpload(upload)
}
