/** A private instance with the contents of a point, as they are or up to an event. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { ArtifactSource, DriverContext, Restored, RestoreChoice, RestoreTarget } from '../driver.ts'
import { destroyInstance } from '../postgres-common/instance.ts'
import { restoreScratch } from '../postgres-logical/restore.ts'
import { type EventsSourceConfig, logicalOf } from './config.ts'
import { cutNotes, cutTo, requireSettled } from './cut.ts'
import { recordedLog } from './log.ts'

export interface Options {
  dir: string
  to?: RestoreTarget
  choice?: RestoreChoice
}

export async function restore(
  config: EventsSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  { dir, to, choice = {} }: Options,
): Promise<Restored> {
  if (choice.parts || choice.mode)
    throw new HoldfastError('INPUT_INVALID', 'a lens goes into the live database; beside it the whole point is restored', {
      object: choice.parts ? 'parts' : 'mode',
      next: 'add --live, or leave --part and --mode out',
    })
  const sequence = to ? sequenceIn(to) : choice.toSequence
  if (sequence !== undefined) requireSettled(manifest, sequence)
  const restored = await restoreScratch(logicalOf(config), context, manifest, source, dir)
  if (sequence === undefined) return restored
  try {
    context.onProgress({ phase: 'cut' })
    await cutTo(config, restored.target.connection, manifest, sequence)
  } catch (error) {
    await destroyInstance(dir)
    throw error
  }
  return { ...restored, stoppedAt: { sequence: String(sequence), paused: false }, notes: cutNotes(config, manifest, sequence) }
}

function sequenceIn(target: RestoreTarget): number {
  if (target.sequence !== undefined) return target.sequence
  const given = Object.keys(target).filter((key) => key !== 'timeline')
  throw new HoldfastError(
    'INPUT_INVALID',
    `an event store is brought to the sequence of an event, not to ${given.join(', ') || 'nothing'}`,
    {
      object: 'target',
      next: 'give --sequence, like --sequence 12345; for a time, a source of driver postgres-physical',
    },
  )
}

/** The first point whose log is settled to there: what is not events stands in it as near to that moment as can be. */
export function plan(target: RestoreTarget, manifests: readonly Manifest[]): { label: string; timeline: number; pointId: string } {
  const sequence = sequenceIn(target)
  const points = manifests.filter(({ inventory }) => inventory?.['event log']).toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
  const first = points.find((manifest) => recordedLog(manifest).settled >= BigInt(sequence))
  if (first) return { label: first.id, timeline: 1, pointId: first.id }
  const newest = points.at(-1)
  if (!newest)
    throw new HoldfastError('TARGET_OUT_OF_RANGE', 'there is no recovery point with an event log', {
      object: 'sequence',
      next: 'take a backup first',
    })
  requireSettled(newest, sequence)
  return { label: newest.id, timeline: 1, pointId: newest.id }
}
