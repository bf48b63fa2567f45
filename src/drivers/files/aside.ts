/** What will take the place: the point, filled in beside it on the same file system and compared with its index. */
import { rename } from 'node:fs/promises'
import { HoldfastError } from '../../core/errors.ts'
import { orCancelled } from '../common/cancelled.ts'
import type { RestoreChoice } from '../driver.ts'
import type { Entry } from './entries.ts'
import { entriesIn, fetchIndex, fillTree, type Point } from './fill.ts'
import { type Picks, picked, picksOf } from './picks.ts'
import { indexIn, makeScratch, makeTree, removeScratch, treeIn } from './scratch.ts'
import { asideOf, type Place, readSwapping, readToken, writeToken } from './target.ts'
import { differencesOf, treeEntries } from './verify.ts'

export interface Aside {
  dir: string
  /** Of the try that filled it. */
  token: string
}

export async function fillAside(point: Point, place: Place, choice: RestoreChoice): Promise<Aside> {
  const { manifest, context } = point
  const dir = asideOf(place, manifest.id)
  await makeScratch(dir)
  const token = await writeToken(dir)
  try {
    await fetchIndex(point, indexIn(dir))
    const picks = await picksOf(choice.parts, () => entriesIn(indexIn(dir)))
    const tree = await makeTree(dir)
    await fillTree(point, indexIn(dir), tree, picks)
    await requireEqual(point, dir, picks)
    if ((await readToken(dir)) !== token) throw madeAgain(dir)
    return { dir, token }
  } catch (error) {
    // Never what a later try made under the same name.
    if ((await readToken(dir)) === token) await removeScratch(dir)
    throw orCancelled(error, context.signal, `the restore into ${dir}`, dir)
  }
}

async function requireEqual({ context, manifest }: Point, dir: string, picks: Picks): Promise<void> {
  const there = treeEntries(treeIn(dir), 'full', context)
  const assertions = await differencesOf(picked(entriesIn(indexIn(dir)), picks), picks.whole ? there : withoutRoot(there), {
    depth: 'full',
    whole: picks.whole,
  })
  const red = assertions.filter(({ ok }) => !ok)
  if (red.length === 0) return
  throw new HoldfastError(
    'VERIFY_FAILED',
    `${treeIn(dir)} is not what the index says: ${red.map(({ name, actual }) => `${name}: ${actual}`).join('; ')}`,
    {
      object: `${manifest.source}/${manifest.id}`,
    },
  )
}

async function* withoutRoot(entries: AsyncIterable<Entry>): AsyncGenerator<Entry> {
  for await (const entry of entries) if (entry.path !== '.') yield entry
}

/** Removes it. Where a swap by rename was cut short between its two steps, the old tree gets its name back first. */
export async function removeAside(place: Place, id: string): Promise<void> {
  const dir = asideOf(place, id)
  const swapping = await readSwapping(dir)
  if (swapping?.how === 'rename' && !place.stat)
    await rename(swapping.kept, place.root).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
  await removeScratch(dir)
}

export const madeAgain = (dir: string): HoldfastError =>
  new HoldfastError('STORE_CONFLICT', `${dir} was made again by another try, and what it holds is not known`, {
    object: dir,
    next: 'start the restore again',
  })
