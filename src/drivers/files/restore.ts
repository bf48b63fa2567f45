/** A point in a folder of its own: nothing of the live tree is touched, and nobody but the worker's user may enter. */
import { basename, dirname } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { shellWord } from '../../core/shell.ts'
import { orCancelled } from '../common/cancelled.ts'
import type { ArtifactSource, DriverContext, Restored, RestoreChoice } from '../driver.ts'
import type { FilesSourceConfig } from './config.ts'
import { fillAside, removeAside } from './aside.ts'
import { entriesIn, fetchIndex, fillTree, indexOf, type Point } from './fill.ts'
import { EVERYTHING } from './selection.ts'
import { requireSpace } from './space.ts'
import { requireEmpty, swapIn } from './swap.ts'
import { fingerprintOf, type Place, placeOf, removeNote } from './target.ts'
import { picksOf } from './picks.ts'
import { indexIn, makeScratch, makeTree, removeScratch } from './scratch.ts'

export async function restoreScratch(
  config: FilesSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  { dir, choice = {} }: { dir: string; choice?: RestoreChoice },
): Promise<Restored> {
  if (choice.into !== undefined) return restoreInto(config, { manifest, source, gpg: config.gpg, context }, choice.into, { dir, choice })
  if (choice.mode !== undefined && choice.mode !== 'empty')
    throw new HoldfastError('INPUT_INVALID', `the mode ${choice.mode} needs a folder with something in it`, {
      object: choice.mode,
      next: 'name the folder with into',
    })
  try {
    await makeScratch(dir)
    await requireSpace(dir, manifest)
    const point: Point = { manifest, source, gpg: config.gpg, context }
    await fetchIndex(point, indexIn(dir))
    const picks = await picksOf(choice.parts, () => entriesIn(indexIn(dir)))
    const tree = await makeTree(dir)
    await fillTree(point, indexIn(dir), tree, picks)
    context.signal.throwIfAborted()
    const name = basename(config.root) || '/'
    return {
      target: { kind: 'scratch', dir, connection: tree, database: name, connect: `ls -la ${shellWord(tree)}` },
      bytes: manifest.sizeBytes,
    }
  } catch (error) {
    await removeScratch(dir)
    throw orCancelled(error, context.signal, `the restore into ${dir}`, dir)
  }
}

/** Into a folder of the operator's choice: filled beside it, compared, then put there. It is theirs: a discard leaves it alone. */
async function restoreInto(
  config: FilesSourceConfig,
  point: Point,
  into: string,
  { dir, choice: { mode = 'empty', parts } }: { dir: string; choice: RestoreChoice },
): Promise<Restored> {
  const { manifest, context, source } = point
  const place = await placeOf(into)
  await refuseLive(config, into, place)
  const choice: RestoreChoice = { mode, ...(parts && { parts }) }
  await requireSpace(place.inside ? place.root : dirname(place.root), manifest)
  const picks = await picksOf(parts, () => indexOf(point))
  const goal = { root: place.root, selection: EVERYTHING }
  if (mode === 'empty') await requireEmpty(place, { ...goal, picks, entries: indexOf(point) })
  const { token } = await fillAside(point, place, choice)
  try {
    await swapIn(goal, manifest, { confirm: fingerprintOf(place), token }, { context, source, dir, choice })
    // A second try of this restore finds the folder as it should be: it needs no note.
    await removeNote(place, basename(dir))
  } catch (error) {
    await removeAside(await placeOf(into), manifest.id)
    throw error
  }
  return {
    target: { kind: 'beside', dir, connection: place.root, database: basename(place.root), connect: `ls -la ${shellWord(place.root)}` },
    bytes: manifest.sizeBytes,
  }
}

/** What is over the live tree is confirmed first, and backed up: not by this door. */
async function refuseLive(config: FilesSourceConfig, into: string, { root }: Place): Promise<void> {
  const live = (await placeOf(config.root)).root
  const within = (path: string, folder: string) => path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`)
  const why = !into.startsWith('/')
    ? 'is no whole path'
    : within(root, live) || within(live, root)
      ? `is in the live folder ${live}, or around it`
      : undefined
  if (why)
    throw new HoldfastError('INPUT_INVALID', `${into} ${why}`, {
      object: into,
      next: 'name another folder by its whole path; over the live one: --live',
    })
}
