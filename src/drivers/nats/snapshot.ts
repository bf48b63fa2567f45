/**
 * A snapshot as a stream of bytes. The server sends chunks and waits for their acknowledgement: that is how whoever reads
 * here slows it down, and why memory stays constant. It gives up where it may send nothing for five seconds, so a reader
 * that pauses longer is bridged: every two seconds one chunk more is taken into memory, up to a limit.
 */
import { Readable } from 'node:stream'
import { createInbox, type Msg, type Subscription } from 'nats'
import { HoldfastError } from '../../core/errors.ts'
import type { StreamConfig, StreamState } from './answers.ts'
import { answerOf, findStream, type JetStream } from './jetstream.ts'

export interface Snapshot {
  /** What the server answered, byte by byte: `config` and `state`, which the snapshot itself does not hold. */
  answer: Buffer
  config: StreamConfig
  state: StreamState
  /** Ends only where the server says that this was all of it. */
  stream: Readable
}

export interface SnapshotOptions {
  /** When the stream was made: one that was made again meanwhile is another one. */
  created: string
  withoutConsumers?: boolean
  /** For tests. */
  chunkBytes?: number
  windowBytes?: number
  bridgeEveryMs?: number
  bridgeBytes?: number
}

const BRIDGE_EVERY_MS = 2_000
const BRIDGE_BYTES = 64 * 1024 * 1024
const SILENCE_MS = 5_000
const SILENCES = 12

export async function openSnapshot(js: JetStream, stream: string, options: SnapshotOptions): Promise<Snapshot> {
  const inbox = createInbox()
  const arrivals = createArrivals(options)
  const subscription = js.nc.subscribe(inbox, {
    callback: (error, message) => arrivals.add(error ?? message),
  })
  void js.nc.closed().then(() => arrivals.add(lost(stream, 'the connection ended')))
  try {
    await js.nc.flush()
    const { chunkBytes, windowBytes } = options
    const question = `STREAM.SNAPSHOT.${stream}`
    const answer = await js.text(question, {
      deliver_subject: inbox,
      no_consumers: options.withoutConsumers === true,
      jsck: false,
      ...(chunkBytes && { chunk_size: chunkBytes }),
      ...(windowBytes && { window_size: windowBytes }),
    })
    const { config, state } = answerOf<Pick<Snapshot, 'config' | 'state'>>(answer, question)
    const chunks = chunksOf({ js, stream, arrivals, subscription, created: options.created })
    return {
      answer: Buffer.from(answer),
      config,
      state,
      stream: Readable.from(chunks, { objectMode: false, highWaterMark: 1 }),
    }
  } catch (error) {
    subscription.unsubscribe()
    arrivals.close()
    throw error
  }
}

interface Reading {
  js: JetStream
  stream: string
  arrivals: Arrivals
  subscription: Subscription
  created: string
}

async function* chunksOf(reading: Reading): AsyncGenerator<Buffer> {
  const { js, stream, arrivals, subscription, created } = reading
  let silences = 0
  try {
    for (let index = 1; ; ) {
      const arrived = await arrivals.next(SILENCE_MS)
      if (arrived === undefined) {
        await requireThere(js, stream, created)
        if (++silences === SILENCES) throw lost(stream, `nothing came for ${(SILENCES * SILENCE_MS) / 1000} s`)
        continue
      }
      silences = 0
      if (arrived instanceof Error) throw arrived
      if (arrived.data.length === 0) return await requireEnd(reading, arrived)
      index += requireNext(stream, arrived, index)
      yield Buffer.from(arrived.data)
      arrivals.taken(arrived)
    }
  } finally {
    subscription.unsubscribe()
    arrivals.close()
  }
}

/** A chunk says its length and number where it is answered; the last, which is not whole, says nothing. */
function requireNext(stream: string, { reply, data }: Msg, index: number): number {
  if (!reply) return 0
  const [length, number] = reply.split('.').slice(-2).map(Number)
  if (length === data.length && number === index) return 1
  throw lost(stream, `chunk ${number} of ${length} bytes came as ${data.length} bytes where chunk ${index} was due`)
}

async function requireEnd({ js, stream, created }: Reading, end: Msg): Promise<void> {
  if (!hasFailed(end)) return
  await requireThere(js, stream, created)
  throw lost(stream, `${end.headers?.code} ${end.headers?.description}`)
}

/** The end of a snapshot of less than one chunk has no status; what failed has one other than 204. */
const hasFailed = (arrived: Msg | Error): boolean =>
  arrived instanceof Error || (arrived.data.length === 0 && ![0, 204].includes(arrived.headers?.code ?? 0))

async function requireThere(js: JetStream, stream: string, created: string): Promise<void> {
  if ((await findStream(js, stream))?.created === created) return
  throw new HoldfastError('NOT_FOUND', `${stream} was removed during its snapshot`, { object: stream, retryable: true })
}

const lost = (stream: string, why: string): HoldfastError =>
  new HoldfastError('SOURCE_UNREACHABLE', `the snapshot of ${stream} broke off: ${why}`, {
    object: stream,
    next: 'it is tried again; where that goes on, look at how fast the repository takes what is uploaded, and at the log of the server',
  })

interface Arrivals {
  add(arrived: Msg | Error): void
  /** Undefined where nothing comes in that time. */
  next(timeoutMs: number): Promise<Msg | Error | undefined>
  /** Lets the server send one more, unless it was let already. */
  taken(message: Msg): void
  close(): void
}

function createArrivals({ bridgeEveryMs = BRIDGE_EVERY_MS, bridgeBytes = BRIDGE_BYTES }: SnapshotOptions): Arrivals {
  const waiting: (Msg | Error)[] = []
  const answered = new Set<Msg>()
  let held: Msg | undefined
  let wake = () => {}
  let acted = Date.now()
  const answer = (message: Msg) => {
    acted = Date.now()
    if (message.reply) message.respond()
  }
  const bridge = setInterval(() => {
    const chunks = [...(held ? [held] : []), ...waiting].filter((one): one is Msg => !(one instanceof Error))
    const bytes = chunks.reduce((sum, { data }) => sum + data.length, 0)
    const next = chunks.find((one) => one.reply && !answered.has(one))
    if (!next || Date.now() - acted < bridgeEveryMs || bytes >= bridgeBytes) return
    answered.add(next)
    answer(next)
  }, bridgeEveryMs / 2)
  return {
    add(arrived) {
      // What failed is known at once: nobody needs the rest.
      if (hasFailed(arrived)) waiting.unshift(arrived)
      else waiting.push(arrived)
      wake()
    },
    async next(timeoutMs) {
      if (waiting.length === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      const next = waiting.shift()
      held = next instanceof Error ? undefined : next
      return next
    },
    taken(message) {
      held = undefined
      if (!answered.delete(message)) answer(message)
    },
    close: () => clearInterval(bridge),
  }
}
