/** The way into the repository: the source's programs, zstd and age, chained by the kernel; JavaScript reads the last stream. */
import { Readable } from 'node:stream'
import { blake3, Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError } from '../core/errors.ts'
import type { Artifact } from '../core/records.ts'
import type { ArtifactSink, Progress } from '../drivers/driver.ts'
import { startChain } from '../process/chain.ts'
import type { Command } from '../process/command.ts'
import type { Store } from '../storage/store.ts'
import type { Bandwidth } from './bandwidth.ts'
import { uploadStream } from './upload.ts'

export interface SinkOptions {
  store: Store
  /** `holdfast/v1/<source>/<id>/data/`. */
  prefix: string
  /** Later attempts write to keys of their own, so that an earlier one that thaws spoils nothing. */
  attempt: number
  /** age recipients; none stores without encryption. */
  recipients: readonly string[]
  compressionLevel?: number
  signal?: AbortSignal
  onProgress?(progress: Progress): void
  /** Shared by all that uploads to this repository. */
  bandwidth?: Bandwidth
  /** For tests: the bytes of the first part. */
  firstPartBytes?: number
}

type Part = Pick<Artifact, 'part' | 'role' | 'required'>

export function createSink(options: SinkOptions): ArtifactSink {
  const encryption = options.recipients.length > 0 ? 'age' : 'none'
  const suffix = `${options.attempt > 1 ? `.${options.attempt}` : ''}.zst${encryption === 'age' ? '.age' : ''}`

  async function store({ part, role, required, stages, stdin }: Part & { stages: Command[]; stdin?: Readable }): Promise<Artifact> {
    const key = `${options.prefix}${part}${suffix}`
    const signal = options.signal ? { signal: options.signal } : {}
    const chain = startChain([...stages, ...packing(options)], { ...signal, ...(stdin && { stdin }) })
    try {
      // The chain's stream ends only after every program exited 0: a dump that was killed never completes an upload.
      const stored = await uploadStream(options.store, key, chain.stdout, {
        ...signal,
        bandwidth: options.bandwidth,
        ...(options.firstPartBytes ? { firstPartBytes: options.firstPartBytes } : {}),
        onStored: (progress) => options.onProgress?.({ phase: part, ...progress }),
      })
      await chain.done
      return {
        key,
        role,
        part,
        required,
        storedBytes: stored.size,
        blake3: stored.blake3,
        compression: 'zstd',
        encryption,
        ...(stored.storeCrc32 ? { storeChecksum: { algorithm: 'crc32' as const, value: stored.storeCrc32 } } : {}),
      }
    } catch (error) {
      await chain.stop()
      throw error
    }
  }

  return {
    store,
    async storeStream({ stream, ...part }) {
      const content: Content = { bytes: 0, hasher: new Blake3Hasher() }
      const stdin = Readable.from(counted(stream, content), { objectMode: false })
      const artifact = await store({ ...part, stages: [], stdin }).catch((error: unknown) => {
        // What the programs say of an input that broke off is no news.
        throw content.broken instanceof HoldfastError ? content.broken : error
      })
      return { ...artifact, plainBytes: content.bytes, contentBlake3: content.hasher.digest('hex') }
    },
    async storeBytes({ bytes, ...part }) {
      const artifact = await store({ ...part, stages: [{ program: 'cat', args: [], stdin: bytes }] })
      return { ...artifact, plainBytes: bytes.length, contentBlake3: blake3(bytes).toString('hex') }
    },
  }
}

interface Content {
  bytes: number
  hasher: Blake3Hasher
  /** Why the stream ended early. */
  broken?: unknown
}

async function* counted(stream: Readable, content: Content): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      content.bytes += chunk.length
      content.hasher.update(chunk)
      yield chunk
    }
  } catch (error) {
    content.broken = error
    throw error
  }
}

/** What follows the source's own programs; the content checksum of zstd's frames is on by default. */
function packing({ recipients, compressionLevel = 3 }: SinkOptions): Command[] {
  const zstd: Command = { program: 'zstd', args: ['-q', `-${compressionLevel}`, '-T1', '-c'] }
  const age: Command = { program: 'age', args: ['-e', ...recipients.flatMap((recipient) => ['-r', recipient])] }
  return recipients.length > 0 ? [zstd, age] : [zstd]
}
