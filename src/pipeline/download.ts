/** The stored bytes of an artifact, whole or not at all: resumed where a connection broke, compared with the manifest. */
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError, messageOf } from '../core/errors.ts'
import type { Artifact } from '../core/records.ts'
import type { Reader } from '../storage/store.ts'

export interface DownloadOptions {
  signal?: AbortSignal
  /** How often a broken download goes on before the error is final. */
  resumes?: number
  onBytes?(bytes: number): void
}

export interface Download {
  stream: Readable
  /** Why the stored bytes are not what the manifest says, once that is known. */
  problem(): HoldfastError | undefined
}

/** What the store says of the object is compared first: a missing, cut or exchanged one is refused before a byte is read. */
export async function requireStored(store: Reader, artifact: Artifact): Promise<void> {
  const info = await store.head(artifact.key)
  if (!info) throw damaged(artifact, `${artifact.key} is missing in the repository`)
  if (info.size !== artifact.storedBytes)
    throw damaged(artifact, `${artifact.key} has ${info.size} bytes; its manifest says ${artifact.storedBytes}`)
  const expected = artifact.storeChecksum?.value
  if (expected && info.crc32 && info.crc32 !== expected)
    throw damaged(artifact, `${artifact.key} has the store checksum ${info.crc32}; its manifest says ${expected}`)
}

/** The stream fails instead of ending unless size and BLAKE3 fit, and holds its last bytes back until they do. */
export function download(store: Reader, artifact: Artifact, options: DownloadOptions = {}): Download {
  let problem: HoldfastError | undefined
  async function* verified(): AsyncGenerator<Buffer> {
    const hasher = new Blake3Hasher()
    let size = 0
    let held: Buffer | undefined
    for await (const chunk of resumed(store, artifact, options)) {
      hasher.update(chunk)
      size += chunk.length
      options.onBytes?.(size)
      if (held) yield held
      held = chunk
    }
    const digest = hasher.digest('hex')
    if (size !== artifact.storedBytes)
      problem = damaged(artifact, `${artifact.key} gave ${size} bytes; its manifest says ${artifact.storedBytes}`)
    else if (digest !== artifact.blake3)
      problem = damaged(artifact, `${artifact.key} has BLAKE3 ${digest}; its manifest says ${artifact.blake3}`)
    if (problem) throw problem
    if (held) yield held
  }
  const stream = Readable.from(verified(), { objectMode: false })
  // Whoever reads it sees its error; one that comes after the reader has left must not end the worker.
  stream.on('error', () => {})
  return { stream, problem: () => problem }
}

/** The object's bytes; a connection that breaks in the middle is opened again at the byte where it stopped. */
async function* resumed(store: Reader, artifact: Artifact, { signal, resumes = 8 }: DownloadOptions): AsyncGenerator<Buffer> {
  let at = 0
  for (let broken = 0; ; ) {
    try {
      const stream = await store.get(artifact.key, { start: at, ...(signal ? { signal } : {}) })
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        at += chunk.length
        yield chunk
      }
      return
    } catch (error) {
      if (signal?.aborted)
        throw new HoldfastError('CANCELLED', `the download of ${artifact.key} was cancelled`, { object: artifact.key, cause: error })
      if (error instanceof HoldfastError && !error.retryable) throw error
      broken += 1
      if (broken > resumes) {
        throw new HoldfastError(
          'STORE_UNREACHABLE',
          `the download of ${artifact.key} broke ${broken} times, last after ${at} of ${artifact.storedBytes} bytes: ${messageOf(error)}`,
          { object: artifact.key, cause: error },
        )
      }
      await delay(Math.min(100 * 2 ** broken, 5_000), undefined, signal ? { signal } : {})
    }
  }
}

function damaged(artifact: Artifact, message: string): HoldfastError {
  return new HoldfastError('INTEGRITY', message, { object: artifact.key })
}
