/** An artifact whose keys were rotated: read under the header that this worker's identity opens, its own or a later one. */
import { Readable } from 'node:stream'
import { isUnsound } from '../core/errors.ts'
import type { Artifact } from '../core/records.ts'
import { run } from '../process/run.ts'
import { takeHeader } from './age-header.ts'

/**
 * What reads the header that each rotation has left for an artifact, newest first; none where its keys never were
 * rotated. A rotation that left none for this artifact answers undefined.
 */
export type HeadersOf = (artifact: Pick<Artifact, 'key'>) => Promise<readonly (() => Promise<string | undefined>)[]>

/** What age says where an identity is not that of any recipient, or is none at all. */
export const WRONG_KEY = /no identity matched|unknown identity type|malformed secret key|failed to read ".*": error at line/

interface Opening {
  identityFile: string
  signal?: AbortSignal
}

/** The same payload under a header that the identity opens; under its own where none does, so that age says what it lacks. */
export async function underOpeningHeader(
  stream: Readable,
  later: Awaited<ReturnType<HeadersOf>>,
  { identityFile, signal }: Opening,
): Promise<Readable> {
  if (later.length === 0) return stream
  const chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  const { header: own, rest } = await takeHeader(chunks)
  const opens = (header: Buffer) => isOpenedBy(identityFile, header, signal)
  const header = own && ((await opens(own)) ? own : ((await laterOne(later, opens)) ?? own))
  const joined = Readable.from(together([header ?? Buffer.alloc(0), rest], chunks), { objectMode: false })
  // Whoever reads it sees its error; one that comes after the reader has left must not end the worker.
  joined.on('error', () => {})
  return joined
}

/**
 * A note that cannot be trusted keeps nobody from a point that a trusted one opens: whoever can write to the repository
 * could plant one. Only where nothing else opens it, it is said what is wrong with that note.
 */
async function laterOne(later: Awaited<ReturnType<HeadersOf>>, opens: (header: Buffer) => Promise<boolean>): Promise<Buffer | undefined> {
  let problem: unknown
  for (const read of later) {
    try {
      const header = await read()
      if (header !== undefined && (await opens(Buffer.from(header)))) return Buffer.from(header)
    } catch (error) {
      if (!isUnsound(error)) throw error
      problem ??= error
    }
  }
  if (problem) throw problem
  return undefined
}

/** Asked of age itself, which knows every kind of identity: given a header only, it fails later than on a key that does not fit. */
async function isOpenedBy(identityFile: string, header: Buffer, signal: AbortSignal | undefined): Promise<boolean> {
  const { stderr } = await run(
    { program: 'age', args: ['-d', '-i', identityFile], stdin: header },
    { accept: [0, 1], ...(signal && { signal }) },
  )
  return !WRONG_KEY.test(stderr)
}

async function* together(first: Buffer[], chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield* first.filter(({ length }) => length > 0)
  yield* { [Symbol.asyncIterator]: () => chunks }
}
