/** What is in a live namespace already, and whether the mode of a restore lets it be. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { RestoreChoice } from '../driver.ts'
import type { Session } from '../../temporal/namespace-session.ts'
import { clashing, findNamespace, readAttributes } from './namespace.ts'
import type { Settings } from './recreate.ts'
import { findSchedules, isOurs } from './schedules.ts'

/**
 * Those of the point's schedules that are there, but for what an earlier try of the same restore made. Each is asked for:
 * the list of schedules lags behind.
 */
async function schedulesThere(session: Session, manifest: Manifest, { schedules }: Settings): Promise<string[]> {
  const there: string[] = []
  for await (const found of findSchedules(session, schedules))
    if (found && !isOurs(found, `${manifest.source}/${manifest.id}`)) there.push(found.id)
  return there.sort()
}

/** Throws SOURCE_UNFIT where something would have to be changed that the mode leaves alone; `empty` is the mode where none is named. */
export async function requireFree(
  session: Session,
  manifest: Manifest,
  settings: Settings,
  { mode = 'empty' }: RestoreChoice,
): Promise<void> {
  if (!(await findNamespace(session))) return
  const [clash] = clashing(settings.attributes, await readAttributes(session))
  if (clash !== undefined)
    throw new HoldfastError('SOURCE_UNFIT', `${session.namespace} has a search attribute ${clash} of another type than the point`, {
      object: clash,
      next: `temporal operator search-attribute remove --name ${clash}, where nobody uses it`,
    })
  if (mode !== 'empty') return
  const there = await schedulesThere(session, manifest, settings)
  if (there.length === 0) return
  const shown = `${there.slice(0, 5).join(', ')}${there.length > 5 ? `, and ${there.length - 5} more` : ''}`
  throw new HoldfastError('SOURCE_UNFIT', `${session.namespace} has schedules of the point already: ${shown}`, {
    object: there[0] ?? '',
    next: 'use mode upsert, which leaves them and makes what is missing, or replace, which gives them the definition of the point',
  })
}
