/** Projections that an application builds anew from its events: asked for by its admin API, and watched to the end. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ProjectionConfig } from '../config/schema/applications.ts'
import { seconds } from '../core/duration.ts'
import { HoldfastError, messageOf } from '../core/errors.ts'

export interface Rebuilding {
  name: string
  config: ProjectionConfig
  /** Over the keys of the configured body. */
  parameters: Readonly<Record<string, unknown>>
  /** A try before this one may have asked already: then what is under way is watched, and nothing is asked again. */
  again: boolean
  token?: string
  signal: AbortSignal
  onProgress(progress: { phase: string }): void
}

const LOOK_MS = 1_000
/** An answer that takes longer is none. */
const ANSWER_MS = 60_000

/** Resolves with what the API said last. Throws CHECK_FAILED where it says that it failed, PROCESS_TIMEOUT. */
export async function rebuildProjection(given: Rebuilding): Promise<Record<string, unknown>> {
  const { name, config, parameters, again } = given
  const before = again && config.status ? await look(given) : undefined
  const underWay = before !== undefined && config.status?.running.includes(before.state)
  const answer = underWay ? {} : await ask(given, config.rebuild, { ...config.body, ...parameters })
  if (!config.status) return answer
  const deadline = Date.now() + seconds(config.timeout) * 1000
  for (;;) {
    const { state, said, progress } = await look(given)
    if (config.status.done.includes(state)) return said
    if (config.status.failed.includes(state))
      throw new HoldfastError('CHECK_FAILED', `the rebuild of ${name} failed: ${JSON.stringify(said)}`, { object: name, retryable: false })
    if (Date.now() > deadline)
      throw new HoldfastError('PROCESS_TIMEOUT', `the rebuild of ${name} is ${state} after ${config.timeout}`, { object: name })
    given.onProgress({ phase: [state, progress].filter(Boolean).join(' ') })
    await delay(LOOK_MS, undefined, { signal: given.signal })
  }
}

async function look(given: Rebuilding): Promise<{ state: string; said: Record<string, unknown>; progress: string }> {
  const { status } = given.config
  const said = await ask(given, status?.url ?? '')
  const at = (path: string) => path.split('.').reduce<unknown>((here, key) => (here as Record<string, unknown> | undefined)?.[key], said)
  const state = at(status?.field ?? '')
  if (typeof state === 'string') return { state, said, progress: status?.progress ? String(at(status.progress) ?? '') : '' }
  throw new HoldfastError('CHECK_FAILED', `${status?.url} has no text under "${status?.field}": ${JSON.stringify(said).slice(0, 200)}`, {
    object: given.name,
    next: 'correct projections.*.status.field in holdfast.yaml',
    retryable: false,
  })
}

/** By POST where there is a body. The token is never part of an error. */
async function ask({ name, token, signal }: Rebuilding, url: string, body?: object): Promise<Record<string, unknown>> {
  const headers = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(body && { 'content-type': 'application/json' }),
  }
  const within = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)])
  const request = { headers, signal: within, ...(body && { method: 'POST', body: JSON.stringify(body) }) }
  const reply = await fetch(url, request).catch((error: unknown) => {
    signal.throwIfAborted()
    throw new HoldfastError('SOURCE_UNREACHABLE', `${url} does not answer: ${causeOf(error)}`, { object: name, cause: error })
  })
  const text = await reply.text()
  if (!reply.ok)
    throw new HoldfastError('CHECK_FAILED', `${url} answered ${reply.status}: ${text.slice(0, 200)}`, {
      object: name,
      retryable: reply.status >= 500,
    })
  return parse(text)
}

const causeOf = (error: unknown) => messageOf(error instanceof Error && error.cause ? error.cause : error)

function parse(text: string): Record<string, unknown> {
  try {
    const said: unknown = JSON.parse(text)
    return typeof said === 'object' && said !== null ? (said as Record<string, unknown>) : { answer: said }
  } catch {
    return { answer: text.slice(0, 200) }
  }
}
