/** Bytes of a stream by the number that is wanted, and bytes on their way out gathered into larger pieces. */
import { HoldfastError } from '../../core/errors.ts'

export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>
  #buffer: Buffer = Buffer.alloc(0)

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  /** Exactly so many; throws where the stream ends before. */
  async take(bytes: number): Promise<Buffer> {
    if (this.#buffer.length < bytes) {
      const parts = [this.#buffer]
      for (let have = this.#buffer.length; have < bytes; ) {
        const chunk = await this.#next()
        parts.push(chunk)
        have += chunk.length
      }
      this.#buffer = Buffer.concat(parts)
    }
    return this.#cut(bytes)
  }

  /** At least one and at most so many: what is at hand. */
  async some(atMost: number): Promise<Buffer> {
    if (this.#buffer.length === 0) this.#buffer = await this.#next()
    return this.#cut(Math.min(atMost, this.#buffer.length))
  }

  /** Reads what follows, so that whoever writes it ends by itself. */
  async drain(): Promise<void> {
    while (!(await this.#chunks.next()).done) this.#buffer = Buffer.alloc(0)
  }

  async #next(): Promise<Buffer> {
    for (;;) {
      const { done, value } = await this.#chunks.next()
      if (done) throw new HoldfastError('INTEGRITY', 'the tar archive ends before its end mark', { object: 'tar' })
      if (value.length > 0) return value
    }
  }

  #cut(bytes: number): Buffer {
    const cut = this.#buffer.subarray(0, bytes)
    this.#buffer = this.#buffer.subarray(bytes)
    return cut
  }
}

/** A million small files would otherwise be millions of writes. */
export class Outgoing {
  readonly #size: number
  #parts: Buffer[] = []
  #bytes = 0

  constructor(size: number) {
    this.#size = size
  }

  *add(...parts: Buffer[]): Generator<Buffer> {
    for (const part of parts) {
      this.#parts.push(part)
      this.#bytes += part.length
    }
    if (this.#bytes >= this.#size) yield* this.flush()
  }

  *flush(): Generator<Buffer> {
    if (this.#bytes === 0) return
    const whole = this.#parts.length === 1 && this.#parts[0] ? this.#parts[0] : Buffer.concat(this.#parts)
    this.#parts = []
    this.#bytes = 0
    yield whole
  }
}
