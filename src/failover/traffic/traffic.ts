/**
 * How clients find the primary, as promises. Everything here is plain data, so that it travels between activities and
 * stands in the history; nothing of it is secret. Errors: TRAFFIC_CONFLICT (the record is neither as it was nor as it
 * should be: nothing was changed), TRAFFIC_DENIED, TRAFFIC_UNCONFIRMED (may succeed when it is tried again).
 */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Finding } from '../../drivers/driver.ts'

/** The values of one type at the name. */
export interface RecordSet {
  type: string
  /** An alias has none. */
  ttl?: number
  /** Sorted. */
  values: string[]
  /** The set as its service has it, where it knows more than the above. */
  exact?: Record<string, unknown>
}

/** Every set at the name that decides where clients go; none where the name does not exist. */
export interface RecordState {
  record: string
  sets: RecordSet[]
}

export interface Destination {
  site: string
  address: string
}

export interface Confirmation {
  /** Who gave the new answer: name servers as `address:port`, or the service's own word. */
  confirmedBy: string[]
  /** Name servers that gave no answer to anybody who asked: they keep nobody on the old side. */
  silent: string[]
}

export interface TrafficReport extends Confirmation {
  /** False where the record was already as it should be. */
  changed: boolean
  previous: RecordState
  now: RecordState
  seconds: number
  /** Resolvers may go on giving the old answer until then. Waited out beside the plan: new answers are good at once. */
  oldAnswersUntil: string
}

export interface MoveOptions {
  signal: AbortSignal
  /** The state to change from, as `current` gave it to an earlier step; what is found by default. */
  previous?: RecordState
  /** How long the authoritative servers may take. */
  timeoutMs?: number
}

export interface Traffic {
  /** For messages: `rfc2136 db.example.com on 10.0.0.53:53`. */
  readonly name: string
  /** The record as it is. Asked for before `move` and kept, it makes the undo exact however often `move` runs. */
  current(options: { signal: AbortSignal }): Promise<RecordState>
  /** Whether the record could be changed now, without changing anything. A failed finding is a result, not an error. */
  precheck(options: { signal: AbortSignal }): Promise<Finding[]>
  /** Points the record, and nothing else at the name, to the site; returns once the authoritative servers say so. May run twice. */
  move(to: Destination, options: MoveOptions): Promise<TrafficReport>
  /** Waits until the authoritative servers give the site's answer. Changes nothing. */
  confirm(to: Destination, options: { signal: AbortSignal; timeoutMs?: number }): Promise<Confirmation>
  /** Puts back exactly what was, also where that is nothing. With `expected` only if the record is still as `move` left it. May run twice. */
  undo(previous: RecordState, options: { signal: AbortSignal; expected?: RecordState; timeoutMs?: number }): Promise<TrafficReport>
}

/** True where both give every client the same answers. */
export function sameState(a: RecordState, b: RecordState): boolean {
  const text = ({ sets }: RecordState) => JSON.stringify(sets.map(({ type, ttl, values }) => [type, ttl ?? null, values]).sort())
  return text(a) === text(b)
}

/** `A 10.0.0.1 (30 s)`, for messages. */
export function describeState({ sets }: RecordState): string {
  if (sets.length === 0) return 'nothing'
  return sets.map(({ type, ttl, values }) => `${type} ${values.join(' ')}${ttl === undefined ? '' : ` (${ttl} s)`}`).join(', ')
}

/** Seconds since a moment of performance.now(), to the millisecond. */
export function secondsSince(startedAt: number): number {
  return Math.round(performance.now() - startedAt) / 1000
}

/** An alias takes the TTL of its target, which Route 53 keeps at 60 s. */
const ALIAS_TTL = 60

export function oldAnswersUntil(previous: RecordState, changed: boolean): string {
  const ttls = changed ? previous.sets.map(({ ttl }) => ttl ?? ALIAS_TTL) : []
  return new Date(Date.now() + Math.max(0, ...ttls) * 1000).toISOString()
}

/** The error for a record that is neither what it was nor what it should become. */
export function conflict(name: string, expected: RecordState, found: RecordState): HoldfastError {
  return new HoldfastError(
    'TRAFFIC_CONFLICT',
    `${name}: expected ${describeState(expected)}, found ${describeState(found)}; it was left as it is`,
    { object: expected.record, details: { expected, found } },
  )
}

/** One look of a precheck: what it found, or why it could not. */
export async function finding(name: string, look: () => Promise<string>): Promise<Finding> {
  try {
    return { name, ok: true, detail: await look() }
  } catch (error) {
    if (!(error instanceof HoldfastError)) return { name, ok: false, detail: messageOf(error) }
    if (error.code === 'CANCELLED') throw error
    return { name, ok: false, detail: error.message, next: error.next }
  }
}
