/** wal-replay on a folder that no node runs on: what it was asked for, and where it stopped. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { Restored, RestoreTarget } from '../driver.ts'
import { gapped, type Route } from './wal.ts'

/** Later than every entry. */
const NEVER = '9999-12-31T23:59:59Z'
export const untilOf = (to: RestoreTarget): string => to.time ?? NEVER

export type Stopped = NonNullable<Restored['stoppedAt']>

/** A log that is torn or damaged is no matter of another try. */
export function unplayable(error: unknown, { archive }: Route, signal: AbortSignal): unknown {
  if (signal.aborted || !(error instanceof HoldfastError) || error.code !== 'PROCESS_FAILED') return error
  return new HoldfastError('INTEGRITY', `the log in ${archive.name} cannot be replayed: ${error.message}`, {
    object: archive.name,
    cause: error,
    next: 'choose a moment before the damage, or one that a later recovery point reaches without this part of the log',
  })
}

/** From what the command printed. Throws TARGET_OUT_OF_RANGE, TARGET_NOT_REACHED where the archive ended too early. */
export function stoppedAt(said: string, to: RestoreTarget, manifest: Manifest, way: Route): Stopped {
  const { archive } = way
  const { time, stopped_before: next } = readReport(said)
  if (next === undefined && to.time !== undefined) {
    // Nothing after the target was seen: what is missing may be of before it.
    if (way.gap) throw gapped(archive.name, way.gap)
    const end = way.segments.at(-1)?.archivedAt
    if (!end || way.wholeUntil.getTime() < Date.parse(to.time))
      throw new HoldfastError(
        'TARGET_NOT_REACHED',
        `the archive ${archive.name} ends with entry ${way.through}${end ? `, written to until ${way.wholeUntil.toISOString()}` : ''}: whether there was more until ${to.time} is not known`,
        { object: manifest.id, next: 'wait until the log is archived, choose an earlier target, or latest for all that there is' },
      )
  }
  return { paused: false, ...(typeof time === 'string' && { time }) }
}

/** Whether an entry of after the target was there: then none of before it can be lacking at the end of the log. */
export const sawBeyond = (said: string): boolean => readReport(said).stopped_before !== undefined

function readReport(said: string): { time?: unknown; stopped_before?: unknown } {
  try {
    return JSON.parse(said) as { time?: unknown; stopped_before?: unknown }
  } catch {
    return {}
  }
}
