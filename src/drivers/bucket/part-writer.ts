/** An artifact that is written piece by piece, while its upload goes on. */
import { PassThrough } from 'node:stream'
import type { Artifact } from '../../core/records.ts'
import type { ArtifactSink } from '../driver.ts'

export interface PartWriter {
  /** Resolves when there is room for more; throws what the upload failed with. */
  write(bytes: Buffer): Promise<void>
  end(): Promise<Artifact>
  /** Nothing of it is stored. Resolves once the upload has ended. */
  abandon(why: unknown): Promise<void>
}

const GATHERED = 256 * 1024

export function openPart(sink: ArtifactSink, part: string, role: string): PartWriter {
  const stream = new PassThrough({ highWaterMark: 1024 * 1024 })
  stream.on('error', () => {})
  let failure: unknown
  const stored = sink.storeStream({ part, role, required: true, stream })
  stored.catch((error: unknown) => {
    failure = error
    stream.destroy()
  })
  let waiting: Buffer[] = []
  let bytes = 0
  const flush = async () => {
    const whole = Buffer.concat(waiting)
    waiting = []
    bytes = 0
    await new Promise<void>((done, failed) => stream.write(whole, (error) => (error ? failed(failure ?? error) : done())))
  }
  return {
    async write(piece) {
      waiting.push(piece)
      bytes += piece.length
      if (bytes >= GATHERED) await flush()
    },
    async end() {
      if (bytes > 0) await flush()
      stream.end()
      return stored
    },
    async abandon(why) {
      stream.destroy(why instanceof Error ? why : new Error(String(why)))
      await stored.catch(() => {})
    },
  }
}
