/** What goes wrong in talking to a Qdrant, as codes; every message names the server and never the key. */
import { HoldfastError, messageOf } from '../../core/errors.ts'

/** Throws what an answer of this status means. `said` is its body. */
export function refusal(url: string, what: string, status: number, said: string): HoldfastError {
  const message = `${url}: ${what}: ${said || `status ${status}`}`
  const about = { object: url, details: { status } }
  if (status === 401)
    return new HoldfastError('SOURCE_UNREACHABLE', `${url} refuses the API key: ${said}`, {
      ...about,
      retryable: false,
      next: 'check apiKey of the source, and that of scratch',
    })
  if (status === 403)
    return new HoldfastError('SOURCE_UNFIT', message, { ...about, next: 'use a key that may manage collections and snapshots' })
  if (status === 404) return new HoldfastError('NOT_FOUND', message, { ...about, next: 'look whether the collection is still there' })
  if (/no space left|not enough.*space/i.test(said)) return new HoldfastError('SPACE_SHORT', message, about)
  // Too many requests, and what the server or a proxy before it may overcome.
  if (status === 429 || status === 408 || status >= 500) return new HoldfastError('SOURCE_UNREACHABLE', message, about)
  return new HoldfastError('SOURCE_UNFIT', message, { ...about, next: 'read what the server says; its log has more' })
}

export const isStatus = (error: unknown, status: number): boolean => error instanceof HoldfastError && error.details['status'] === status

/** The text of an error's body: Qdrant's own form, or whatever stands there. */
export function saidBy(body: unknown): string {
  if (typeof body === 'string') {
    try {
      return saidBy(JSON.parse(body))
    } catch {
      return body.trim().slice(0, 500)
    }
  }
  const status = (body as { status?: { error?: unknown } } | null)?.status
  return typeof status?.error === 'string' ? status.error : ''
}

export interface Asked {
  url: string
  what: string
  /** Of the one who waits. */
  signal: AbortSignal | undefined
  timeout?: { signal: AbortSignal; ms: number; setting: string }
}

/** Whatever was thrown by a request. */
export function explained(error: unknown, { url, what, signal, timeout }: Asked): unknown {
  if (signal?.aborted) return new HoldfastError('CANCELLED', `${what} was cancelled`, { object: url, cause: error })
  if (error instanceof HoldfastError) return error
  if (timeout?.signal.aborted)
    return new HoldfastError('SOURCE_UNREACHABLE', `${url} did not answer within ${timeout.ms / 1000} s: ${what}`, {
      object: url,
      cause: error,
      next: `look whether the server is overloaded; where it only needs longer, raise timeouts.${timeout.setting} of the source`,
    })
  const { status, data } = error as { status?: unknown; data?: unknown }
  if (typeof status === 'number') return refusal(url, what, status, saidBy(data))
  const cause = (error as { cause?: unknown }).cause
  return new HoldfastError('SOURCE_UNREACHABLE', `cannot talk to ${url}: ${what}: ${messageOf(cause instanceof Error ? cause : error)}`, {
    object: url,
    cause: error,
    next: 'check that the server runs and can be reached from this worker',
  })
}
