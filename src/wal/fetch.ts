/** Brings one archived file to a path: whole and compared with its digests, or not at all. */
import { randomBytes } from 'node:crypto'
import { open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { createSource } from '../pipeline/read.ts'
import { archivePrefix, parseWalName } from './names.ts'
import { findRecord, type ReadingArchive, type WalRecord } from './record.ts'

export interface FetchingArchive extends ReadingArchive {
  identityFile: string | undefined
  /** The repository of the copy that is read, where that of the archive does not give it. */
  copyIn?: string
  /** Each of the repositories that have it and answer, by itself; absent where there is only one. */
  places?(): Promise<FetchingArchive[]>
}

/**
 * The record of what stands at the destination now, or undefined where nothing is archived under the name. An archive
 * that holds nothing at all is NOT_FOUND: a disk that is not mounted must not look like the end of the log.
 */
export async function fetchWal(
  archive: FetchingArchive,
  name: string,
  destination: string,
  signal?: AbortSignal,
): Promise<WalRecord | undefined> {
  const record = await findRecord(archive, parseWalName(name))
  if (!record) {
    await requireSome(archive)
    return undefined
  }
  const aside = `${destination}${ASIDE}${process.pid}-${randomBytes(4).toString('hex')}`
  await removeLeft(destination)
  try {
    await write(archive, record, aside, signal)
    await rename(aside, destination)
    return record
  } catch (error) {
    throw error instanceof HoldfastError ? error : unwritable(destination, error, signal)
  } finally {
    await rm(aside, { force: true })
  }
}

const ASIDE = '.holdfast-'

export async function holdsSome({ archive, store }: Pick<ReadingArchive, 'archive' | 'store'>): Promise<boolean> {
  for await (const _ of store.list(archivePrefix(archive))) return true
  return false
}

/** A store answers the same for a bucket that is not there as for an object; only a listing tells. */
async function requireSome({ archive, store }: FetchingArchive): Promise<void> {
  if (await holdsSome({ archive, store })) return
  throw new HoldfastError('NOT_FOUND', `the archive ${archive} holds nothing at all`, {
    object: archivePrefix(archive),
    next: 'mount what belongs there, or correct the bucket, the prefix or the path of the repository',
  })
}

async function write(archive: FetchingArchive, { artifact }: WalRecord, path: string, signal: AbortSignal | undefined): Promise<void> {
  const source = createSource({ store: archive.store, identityFile: archive.identityFile, ...(signal && { signal }) })
  const hasher = new Blake3Hasher()
  const plain = await source.read(artifact)
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const chunk of plain as AsyncIterable<Buffer>) {
      hasher.update(chunk)
      await file.writeFile(chunk)
    }
    const digest = hasher.digest('hex')
    if (digest !== artifact.contentBlake3) {
      throw new HoldfastError(
        'INTEGRITY',
        `${artifact.key} holds content with BLAKE3 ${digest}; its record says ${artifact.contentBlake3}`,
        {
          object: artifact.key,
        },
      )
    }
    await file.sync()
  } finally {
    plain.destroy()
    await file.close()
  }
}

/** What a fetch left that was killed; one that still runs keeps its own. */
async function removeLeft(destination: string): Promise<void> {
  const begin = `${basename(destination)}${ASIDE}`
  for (const entry of await readdir(dirname(destination)).catch(() => [])) {
    const pid = entry.startsWith(begin) ? Number.parseInt(entry.slice(begin.length), 10) : undefined
    if (pid !== undefined && !isAlive(pid)) await rm(join(dirname(destination), entry), { force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function unwritable(destination: string, error: unknown, signal: AbortSignal | undefined): HoldfastError {
  if (signal?.aborted) return new HoldfastError('CANCELLED', `${destination} was not written: the fetch was stopped`, { cause: error })
  const code = (error as NodeJS.ErrnoException).code === 'ENOSPC' ? 'SPACE_SHORT' : 'INPUT_INVALID'
  return new HoldfastError(code, `${destination} cannot be written: ${messageOf(error)}`, { object: destination, cause: error })
}
