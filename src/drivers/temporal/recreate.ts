/** What of a point can be made again in a namespace: its settings, search attributes, schedules, and open runs from their beginning. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { readPart } from '../common/part.ts'
import type { ArtifactSource, RestoreChoice } from '../driver.ts'
import { GRPC, refusalOf, type Session } from '../../temporal/namespace-session.ts'
import type { AttributeTypes, NamespaceRecord } from './namespace.ts'
import { PARTS } from './records.ts'
import { createSchedule, type Remaking, type ScheduleRecord } from './schedules.ts'

/** What a restore may be asked for. Histories come along as files where they are wanted; nothing imports them. */
export const CHOICES = ['namespace', 'search-attributes', 'schedules', 'running-schedules', 'histories', 'open'] as const
type Choice = (typeof CHOICES)[number]

export interface Wanted {
  schedules: boolean
  /** Those that ran run again. */
  running: boolean
  histories: boolean
  /** Runs that were open are started again, from their beginning. */
  open: boolean
}

/** Everything but what acts by itself, where nothing is chosen. The namespace and its attributes are always needed. */
export function wantedOf(manifest: Manifest, { parts }: RestoreChoice = {}): Wanted {
  const unknown = parts?.find((part) => !CHOICES.includes(part as Choice))
  if (unknown !== undefined)
    throw new HoldfastError('INPUT_INVALID', `${manifest.source}/${manifest.id} has no part ${unknown}`, {
      object: unknown,
      next: `name some of ${CHOICES.join(', ')}`,
    })
  const has = (...names: Choice[]) => names.some((name) => parts?.includes(name))
  return {
    schedules: !parts || has('schedules', 'running-schedules'),
    running: has('running-schedules'),
    histories: !parts || has('histories', 'open'),
    open: has('open'),
  }
}

/** The small parts, as they were written. */
export interface Settings {
  namespace: NamespaceRecord
  attributes: AttributeTypes
  schedules: ScheduleRecord[]
}

export async function readSettings(
  manifest: Manifest,
  source: ArtifactSource,
  { schedules }: Pick<Wanted, 'schedules'>,
): Promise<Settings> {
  const lines = schedules ? await readPart(manifest, source, PARTS.schedules.part) : ''
  return {
    namespace: JSON.parse(await readPart(manifest, source, PARTS.namespace.part)) as NamespaceRecord,
    attributes: JSON.parse(await readPart(manifest, source, PARTS.attributes.part)) as AttributeTypes,
    schedules: lines.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as ScheduleRecord])),
  }
}

/** Gives false where one of that id was there already, which is left as it is. */
export async function createMissing(session: Session, record: ScheduleRecord, how: Remaking): Promise<boolean> {
  try {
    await createSchedule(session, record, how)
    return true
  } catch (error) {
    if (refusalOf(error) === GRPC.alreadyExists) return false
    throw error
  }
}
