/** Questions to JetStream, as its API has them. The package knows no snapshots, and gives configurations back with fields of its own. */
import { connect, type ConnectionOptions, ErrorCode, type NatsConnection, NatsError } from 'nats'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import type { ConsumerInfo, Page, StreamInfo } from './answers.ts'

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
  const nc = await connect({ name: 'holdfast', timeout: 10_000, reconnect: false, ...options }).catch((error: unknown) => {
    throw connectionError(error, place)
  })
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

/** Name of the cluster that the server is one of. */
export const clusterOf = ({ nc }: JetStream): string | undefined => (nc.info as { cluster?: string } | undefined)?.cluster
export const isClustered = (js: JetStream): boolean => clusterOf(js) !== undefined

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

/** Every stream of the account. */
export const listStreams = (js: JetStream): Promise<StreamInfo[]> =>
  listed(js, 'STREAM.LIST', (page: Page & { streams?: StreamInfo[] | null }) => page.streams)

export const listConsumers = (js: JetStream, stream: string): Promise<ConsumerInfo[]> =>
  listed(js, `CONSUMER.LIST.${stream}`, (page: Page & { consumers?: ConsumerInfo[] | null }) => page.consumers)

/** How long a cluster may take to have leaders again, as right after a restore. */
const LEADERLESS_MS = 15_000

/** All pages of a list. In a cluster it says who does not answer for itself: left out, they would be taken for gone. */
async function listed<T, P extends Page>(js: JetStream, question: string, itemsOf: (page: P) => T[] | null | undefined): Promise<T[]> {
  let missing: string[] = []
  const whole = async (): Promise<T[] | undefined> => {
    const all: T[] = []
    for (;;) {
      const page = await js.ask<P>(question, { offset: all.length })
      missing = page.missing ?? []
      if (missing.length > 0) return undefined
      const items = itemsOf(page) ?? []
      all.push(...items)
      if (items.length === 0 || all.length >= page.total) return all
    }
  }
  return until(whole, { timeoutMs: LEADERLESS_MS, everyMs: 200, what: question }).catch((error: unknown) => {
    if (missing.length === 0) throw error
    throw new HoldfastError('SOURCE_UNREACHABLE', `${question}: nobody answers for ${missing.join(', ')}`, {
      object: missing[0] ?? question,
      next: 'wait until the cluster has leaders for them',
      cause: error,
    })
  })
}
