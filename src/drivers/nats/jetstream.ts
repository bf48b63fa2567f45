/** Questions to JetStream, as its API has them. The package knows no snapshots, and gives configurations back with fields of its own. */
import { connect, type ConnectionOptions, ErrorCode, type NatsConnection, NatsError } from 'nats'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { ConsumerInfo, Page, StreamInfo, StreamList } from './answers.ts'

export interface JetStream {
  nc: NatsConnection
  /** The answer as it came. */
  text(question: string, body?: object): Promise<string>
  /** The answer, or an error that names the question. */
  ask<T>(question: string, body?: object): Promise<T>
}

/** Where to connect to, with secrets resolved at the last moment. */
export interface Place {
  /** Names it in messages. */
  servers: string
  domain?: string | undefined
  options(): Promise<ConnectionOptions>
}

const ANSWER_MS = 30_000

/** Runs the work on a connection of its own, which an abort closes under it. */
export async function withJetStream<T>(place: Place, signal: AbortSignal | undefined, work: (js: JetStream) => Promise<T>): Promise<T> {
  const options = await place.options()
  const nc = await connect({ name: 'holdfast', timeout: 10_000, reconnect: false, ignoreClusterUpdates: true, ...options }).catch(
    (error: unknown) => {
      throw connectionError(error, place)
    },
  )
  const close = () => void nc.close()
  signal?.addEventListener('abort', close, { once: true })
  try {
    if (signal?.aborted) throw new Error('aborted')
    return await work(jetStreamOn(nc, place))
  } catch (error) {
    if (signal?.aborted)
      throw new HoldfastError('CANCELLED', `the work on ${place.servers} was cancelled`, { object: place.servers, cause: error })
    throw error instanceof NatsError ? connectionError(error, place) : error
  } finally {
    signal?.removeEventListener('abort', close)
    await nc.close()
  }
}

function jetStreamOn(nc: NatsConnection, place: Place): JetStream {
  const prefix = place.domain ? `$JS.${place.domain}.API` : '$JS.API'
  const text = async (question: string, body?: object): Promise<string> => {
    const asked = nc.request(`${prefix}.${question}`, body && JSON.stringify(body), { timeout: ANSWER_MS })
    const reply = await asked.catch((error: unknown) => {
      throw connectionError(error, place, question)
    })
    return reply.string()
  }
  return { nc, text, ask: async <T>(question: string, body?: object) => answerOf<T>(await text(question, body), question) }
}

/** What the API answered; throws where that is an error. */
export function answerOf<T>(text: string, question: string): T {
  const answer = JSON.parse(text) as T & { error?: { code: number; err_code: number; description: string } }
  if (!answer.error) return answer
  const { code, err_code: errCode, description } = answer.error
  const object = question.split('.').at(-1) ?? question
  throw new HoldfastError(
    errCode === API.streamNotFound ? 'NOT_FOUND' : code === 503 ? 'SOURCE_UNREACHABLE' : 'SOURCE_UNFIT',
    `${question}: ${description} (${errCode})`,
    { object, details: { errCode }, next: `look at the server's log for ${object}`, retryable: code === 503 },
  )
}

/** Codes of the API that mean something here. */
export const API = { noMessage: 10037, streamNotFound: 10059, exists: 10130 } as const

export const isApiError = (error: unknown, errCode: number): boolean =>
  error instanceof HoldfastError && error.details['errCode'] === errCode

function connectionError(error: unknown, { servers }: Place, question?: string): HoldfastError {
  const code = error instanceof NatsError ? error.code : ''
  const about = { object: servers, cause: error }
  if (
    [ErrorCode.AuthorizationViolation, ErrorCode.BadAuthentication, ErrorCode.BadCreds, ErrorCode.AuthenticationExpired].some(
      (one) => one === code,
    )
  )
    return new HoldfastError('SOURCE_UNFIT', `${servers} refuses the credentials: ${messageOf(error)}`, {
      ...about,
      next: 'correct token, user and password, nkeySeed or credentials of the source',
    })
  if (code === ErrorCode.PermissionsViolation)
    return new HoldfastError('SOURCE_UNFIT', `${servers} does not permit it: ${messageOf(error)}`, {
      ...about,
      next: 'let the user publish to $JS.API.> and $JS.SNAPSHOT.>, and subscribe to _INBOX.>',
    })
  if (code === ErrorCode.NoResponders)
    return new HoldfastError('SOURCE_UNREACHABLE', `nobody at ${servers} answers ${question ?? 'JetStream'}`, {
      ...about,
      next: 'check that JetStream is enabled for the account, and jsDomain; a cluster without a leader is waited for',
    })
  return new HoldfastError('SOURCE_UNREACHABLE', `${servers} cannot be reached: ${messageOf(error)}`, about)
}

export const streamInfo = (js: JetStream, stream: string, body?: object): Promise<StreamInfo> => js.ask(`STREAM.INFO.${stream}`, body)

/** Undefined where there is no such stream. */
export async function findStream(js: JetStream, stream: string): Promise<StreamInfo | undefined> {
  return streamInfo(js, stream).catch((error: unknown) => {
    if (isApiError(error, API.streamNotFound)) return undefined
    throw error
  })
}

/** Every stream of the account, however many pages that takes. */
export async function listStreams(js: JetStream): Promise<StreamInfo[]> {
  return pages(async (offset) => {
    const page = await js.ask<StreamList>('STREAM.LIST', { offset })
    return { ...page, items: page.streams ?? [] }
  })
}

export async function listConsumers(js: JetStream, stream: string): Promise<ConsumerInfo[]> {
  return pages(async (offset) => {
    const page = await js.ask<Page & { consumers?: ConsumerInfo[] | null; missing?: string[] }>(`CONSUMER.LIST.${stream}`, { offset })
    if (page.missing?.length)
      throw new HoldfastError('SOURCE_UNREACHABLE', `${stream}: nobody answers for the consumers ${page.missing.join(', ')}`, {
        object: stream,
        next: 'wait until the cluster has leaders for them',
      })
    return { ...page, items: page.consumers ?? [] }
  })
}

async function pages<T>(ask: (offset: number) => Promise<Page & { items: T[] }>): Promise<T[]> {
  const all: T[] = []
  for (;;) {
    const { items, total } = await ask(all.length)
    all.push(...items)
    if (items.length === 0 || all.length >= total) return all
  }
}
