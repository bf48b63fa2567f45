/** Over a live event store: all of it by a database beside that is compared and swapped in, also up to an event; or single lenses. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { LiveRestore, RestoreChoice } from '../driver.ts'
import { createLive } from '../postgres-logical/live.ts'
import { ask, baselineQuestion } from './command.ts'
import { type EventsSourceConfig, logicalOf } from './config.ts'
import { cutNotes, cutTo, requireSettled } from './cut.ts'
import { checkLenses, lensesAside, swapLenses } from './lens-live.ts'

export function createEventsLive(config: EventsSourceConfig, connection: string): LiveRestore {
  const whole = createLive(logicalOf(config), connection, async (made, manifest, { toSequence }) => {
    if (toSequence !== undefined) await cutTo(config, made, manifest, toSequence)
  })
  const { baseline } = config
  return {
    ...whole,
    async check(manifest, confirm, choice = {}) {
      refuseMeaningless(choice)
      if (choice.parts) return checkLenses(config, connection, manifest, confirm, choice)
      await whole.check(manifest, confirm)
      if (choice.toSequence !== undefined) requireSettled(manifest, choice.toSequence)
    },
    restoreAside: async (context, manifest, source, place) =>
      place?.choice.parts ? lensesAside(manifest, place.choice.parts) : whole.restoreAside(context, manifest, source, place),
    async removeAside(manifest, place) {
      if (!place?.choice.parts) await whole.removeAside(manifest, place)
    },
    restoresProjections: ({ parts }) => parts !== undefined,
    async swap(manifest, confirm, oid, filling) {
      if (filling?.choice.parts) return swapLenses(config, connection, manifest, confirm, filling)
      const swapped = await whole.swap(manifest, confirm, oid)
      return { ...swapped, ...notesOf(config, manifest, swapped.keptAs, filling?.choice ?? {}) }
    },
    ...(baseline && { afterwards: [{ name: 'baseline', run: ({ signal }) => ask(baselineQuestion(baseline), connection, signal) }] }),
  }
}

function refuseMeaningless({ parts, mode, toSequence }: RestoreChoice): void {
  const refuse = (object: string, message: string, next: string): never => {
    throw new HoldfastError('INPUT_INVALID', message, { object, next })
  }
  if (mode && !parts) refuse('mode', 'a mode is for lenses that are chosen', 'name them with --part, or leave --mode out')
  if (parts && !mode)
    refuse('mode', `what becomes of what is in ${parts.join(', ')} is to be chosen`, 'add --mode empty, replace or upsert')
  if (parts && toSequence !== undefined)
    refuse('toSequence', 'a lens cannot be brought to an event', 'restore the lens as it was, or build it anew')
}

/** The line about what is kept stands for all sources; with notes of its own a restore has to give it too. */
function notesOf(
  config: EventsSourceConfig,
  manifest: Manifest,
  keptAs: string | undefined,
  { toSequence }: RestoreChoice,
): { notes?: string[] } {
  if (toSequence === undefined) return {}
  const kept =
    keptAs === undefined ? [] : [`what was replaced is kept, closed to connections, as ${keptAs}; to end it: drop database "${keptAs}"`]
  return { notes: [...kept, ...cutNotes(config, manifest, toSequence)] }
}
