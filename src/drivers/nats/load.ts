/** A snapshot back into a server: from a file that is known to be whole, since a pause of five seconds would end it. */
import { createReadStream } from 'node:fs'
import { HoldfastError } from '../../core/errors.ts'
import type { StreamConfig, StreamInfo, StreamState } from './answers.ts'
import { API, answerOf, findStream, isApiError, type JetStream } from './jetstream.ts'
import { MARK } from './quiet.ts'

export interface Load {
  /** With a mark of this very try in its metadata, by which a partial stream is known to be this one's. */
  config: StreamConfig
  state: StreamState
  file: string
  signal: AbortSignal
  /** How many the server has taken. */
  onBytes(bytes: number): void
}

const CHUNK = 512 * 1024
const IN_FLIGHT = 8
const ANSWER_MS = 60_000

/**
 * Restores the stream. One that failed leaves a partial stream that takes messages: it is removed, but never one that
 * somebody else made under the same name.
 */
export async function loadStream(js: JetStream, load: Load): Promise<StreamInfo> {
  const { config, state } = load
  const question = `STREAM.RESTORE.${config.name}`
  const { deliver_subject: subject } = await js.ask<{ deliver_subject: string }>(question, { config, state })
  try {
    await sendFile(js, subject, load)
    const made = await js.nc.request(subject, '', { timeout: ANSWER_MS * 10 })
    return answerOf<StreamInfo>(made.string(), question)
  } catch (error) {
    if (!isApiError(error, API.exists)) await removePartial(js, config)
    throw restoreError(config.name, error)
  }
}

async function sendFile(js: JetStream, subject: string, { config, file, signal, onBytes }: Load): Promise<void> {
  const chunkBytes = Math.min(CHUNK, (js.nc.info?.max_payload ?? CHUNK) - 4096)
  const sent: Promise<void>[] = []
  let taken = 0
  const send = async (chunk: Buffer) => {
    const reply = await js.nc.request(subject, chunk, { timeout: ANSWER_MS })
    // Nothing is the acknowledgement; what failed answers with an error.
    if (reply.data.length > 0) answerOf(reply.string(), `STREAM.RESTORE.${config.name}`)
    taken += chunk.length
    onBytes(taken)
  }
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: chunkBytes })) {
      signal.throwIfAborted()
      const sending = send(chunk as Buffer)
      // Awaited below, perhaps not before another has failed.
      sending.catch(() => {})
      sent.push(sending)
      if (sent.length >= IN_FLIGHT) await sent.shift()
    }
    await Promise.all(sent)
  } catch (error) {
    await Promise.allSettled(sent)
    throw error
  }
}

/** Where the connection itself has gone, the next try finds the mark. */
async function removePartial(js: JetStream, { name, metadata }: StreamConfig): Promise<void> {
  if (js.nc.isClosed()) return
  const found = await findStream(js, name).catch(() => undefined)
  if (found && found.config.metadata?.[MARK] === metadata?.[MARK]) await js.ask(`STREAM.DELETE.${name}`)
}

const DAMAGED =
  /corrupt input|crc mismatch|invalid archive|truncated|unexpected EOF|: EOF|unexpected content|invalid tar header|out of order/i

function restoreError(stream: string, error: unknown): unknown {
  if (!(error instanceof HoldfastError) || error.details['errCode'] === undefined || !DAMAGED.test(error.message)) return error
  return new HoldfastError('INTEGRITY', `the snapshot of ${stream} is damaged: ${error.message}`, { object: stream, cause: error })
}
