/** Puts in its place what was filled in beside it: by one rename, or file by file. What happened before a kill is found again. */
import { lstat, mkdir, rename, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { shellWord } from '../../core/shell.ts'
import type { DriverContext, Filling, RestoreChoice, Swapped } from '../driver.ts'
import { madeAgain } from './aside.ts'
import { requireFolder } from './confirm.ts'
import { changesOf, type Comparing, isWhole } from './difference.ts'
import { entriesIn } from './fill.ts'
import { picksOf } from './picks.ts'
import { indexIn, removeScratch, treeIn } from './scratch.ts'
import type { Selection } from './selection.ts'
import { dress, swapFiles } from './swap-files.ts'
import {
  ABSENT,
  asideOf,
  isConfirmed,
  isNothing,
  keptBy,
  keptName,
  type Place,
  placeOf,
  readSwapping,
  readToken,
  type Swapping,
  makeNote,
  writeSwapping,
} from './target.ts'

/** Where a restore goes, and what of what is there already belongs to it. */
export interface Goal {
  root: string
  selection: Selection
}

/** Over a live folder what is not in the point goes, but a single file is asked for by itself. */
export const modeOf = ({ mode, parts }: RestoreChoice): 'empty' | 'replace' | 'upsert' => mode ?? (parts ? 'upsert' : 'replace')

export interface Confirmed {
  confirm: string
  token?: string
}

export async function swapIn(goal: Goal, manifest: Manifest, { confirm, token }: Confirmed, filling?: Filling): Promise<Swapped> {
  if (!filling) throw new HoldfastError('UNEXPECTED', 'a restore of files cannot be swapped in without its run', { object: goal.root })
  const { context, choice } = filling
  const run = basename(filling.dir)
  const place = await placeOf(goal.root)
  const dir = asideOf(place, manifest.id)
  let swapping = await readSwapping(dir)
  if (!swapping) {
    const done = await keptBy(place, run, confirm)
    if (done) return swapped(place, done)
    await requireFolder(place, manifest, confirm)
    await requireToken(dir, token)
    swapping = { ...(await wayOf(goal, place, dir, choice)), confirmed: confirm }
    await writeSwapping(dir, swapping)
  }
  await requireToken(dir, token)
  context.onProgress({ phase: 'swap' })
  if (swapping.how === 'rename') await renameWhole(place, dir, swapping, run)
  else await renameEach(goal, dir, swapping, { context, choice, run })
  await removeScratch(dir)
  return swapped(place, swapping.kept)
}

async function requireToken(dir: string, token: string | undefined): Promise<void> {
  const found = await readToken(dir)
  if (found === undefined)
    throw new HoldfastError('NOT_FOUND', `there is no ${dir} to swap in`, { object: dir, next: 'start the restore again' })
  if (token !== undefined && found !== token) throw madeAgain(dir)
}

/** By one rename where all of the root belongs to the source and its name is free to be taken; else what is not the source's stays. */
async function wayOf(goal: Goal, place: Place, dir: string, choice: RestoreChoice): Promise<Pick<Swapping, 'how' | 'kept'>> {
  const kept = await keptName(place)
  const comparing = await comparingOf(goal, dir, choice)
  const mode = modeOf(choice)
  if (mode === 'empty') await requireEmpty(place, comparing)
  const whole = comparing.picks.whole && (mode === 'replace' || !place.stat) && !place.inside
  return { how: whole && (!place.stat || (await isWhole(comparing))) ? 'rename' : 'files', kept }
}

export async function requireEmpty({ root, stat: there }: Place, comparing: Comparing): Promise<void> {
  if (!there) return
  for await (const { change } of changesOf(comparing)) {
    // What is the same came from an earlier try of this very restore.
    if (change === 'added' || change === 'same') continue
    throw new HoldfastError('INPUT_INVALID', `${root} is not empty`, {
      object: root,
      next: 'choose the mode replace or upsert, or another folder',
    })
  }
}

async function comparingOf({ root, selection }: Goal, dir: string, { parts }: RestoreChoice): Promise<Comparing> {
  const entries = () => entriesIn(indexIn(dir))
  return { root, selection, picks: await picksOf(parts, entries), entries: entries() }
}

/** Between the two renames nothing stands under the name: a kernel's exchange of two names is not to be had from here. */
async function renameWhole({ root }: Place, dir: string, { kept, confirmed }: Swapping, run: string): Promise<void> {
  if (!(await lstat(treeIn(dir)).catch(() => undefined))) return
  const old = await stat(root, { bigint: true }).catch(() => undefined)
  if (old && !isConfirmed(old, confirmed))
    throw new HoldfastError('SOURCE_UNFIT', `${root} is another folder than the one that was confirmed`, {
      object: root,
      next: `look at ${root}, ${kept} and ${dir}`,
    })
  if (old) await rename(root, kept)
  else if (confirmed.endsWith(ABSENT)) await makeNote(kept, run)
  await rename(treeIn(dir), root)
}

async function renameEach(
  goal: Goal,
  dir: string,
  { kept }: Swapping,
  { context, choice, run }: { context: DriverContext; choice: RestoreChoice; run: string },
): Promise<void> {
  await mkdir(goal.root, { recursive: true })
  await mkdir(kept, { recursive: true, mode: 0o700 })
  const swap = {
    root: goal.root,
    tree: treeIn(dir),
    kept,
    remove: modeOf(choice) === 'replace',
    signal: context.signal,
    onDone: (done: number) => {
      if (done % 500 === 0) context.onProgress({ phase: 'swap' })
    },
  }
  const comparing = await comparingOf(goal, dir, choice)
  await swapFiles(changesOf(comparing), swap).catch((error: unknown) => {
    if (context.signal.aborted) throw error
    const said = `${goal.root} is replaced in part: ${messageOf(error)}`
    throw new HoldfastError(error instanceof HoldfastError ? error.code : 'PROCESS_FAILED', said, {
      object: goal.root,
      cause: error,
      next: `mend what it names and start the restore again; what was replaced so far is kept in ${kept}`,
    })
  })
  if (comparing.picks.whole && modeOf(choice) !== 'upsert') await dressRoot(goal.root, dir)
  await makeNote(kept, run)
}

/** The root is the first of its index. */
async function dressRoot(root: string, dir: string): Promise<void> {
  for await (const entry of entriesIn(indexIn(dir))) return dress(root, entry)
}

async function swapped({ root }: Place, kept: string): Promise<Swapped> {
  const nothing = await isNothing(kept)
  const [old, now] = [shellWord(kept), shellWord(root)]
  const notes = nothing
    ? `nothing was replaced; to end the note of that: rm -r ${old}`
    : `what was replaced is kept in ${kept}; to look: diff -r ${old} ${now}; to end it: rm -r ${old}`
  return { database: root, ...(!nothing && { keptAs: kept }), notes: [notes] }
}
