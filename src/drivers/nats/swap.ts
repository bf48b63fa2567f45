/**
 * Each live stream replaced by the one of the point. The bytes are on this worker, compared, before the live one is deleted;
 * the new one is restored where nobody can publish to it, compared, and only then opened. A swap that was killed goes on:
 * what is done says so itself, and what was about to be deleted is written down on the server.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { Filling, Swapped } from '../driver.ts'
import { makeOwnFolder, removeOwnFolder } from '../common/own-folder.ts'
import type { StreamConfig, StreamInfo } from './answers.ts'
import { compareStream } from './compare.ts'
import { addMissing } from './consumers.ts'
import { API, findStream, isApiError, isClustered, type JetStream, listStreams } from './jetstream.ts'
import { type Journal, type Marks, marksOf, readJournal, removeJournal, writeJournal } from './journal.ts'
import { loadStream } from './load.ts'
import { notesOf } from './notes.ts'
import { continued, type LastSeq, lastSeqIn, tellFollowers } from './origins.ts'
import { changedIn, MARK, quietConfig } from './quiet.ts'
import { type ConsumersRecord, readStream, type StreamPoint, wantedOf } from './records.ts'
import { originsFirst } from './select.ts'

export interface Swap {
  js: JetStream
  manifest: Manifest
  confirm: string
  filling: Filling
  /** Everything that refuses a restore, asked once more where nothing has been touched yet. */
  fresh(js: JetStream): Promise<void>
}

interface Work extends Swap {
  marks: Marks
  journal: Journal
  restored: LastSeq
  notes: string[]
}

export async function swap(options: Swap): Promise<Swapped> {
  const { js, manifest, confirm, filling } = options
  const names = wantedOf(manifest, filling.choice.parts)
  const marks = marksOf(manifest, confirm)
  const restored = lastSeqIn(manifest, names)
  const wanted = await readWanted(manifest, filling, names)
  const done = { database: names.join(', ') }
  const journal = await openJournal(options, names, marks)
  if (!journal) return { ...done, notes: notesOf(wanted) }
  const work: Work = { ...options, marks, journal, restored, notes: [] }
  await makeOwnFolder(filling.dir)
  try {
    for (const one of wanted) await swapStream(work, one)
  } finally {
    await removeOwnFolder(filling.dir)
  }
  await removeJournal(js, manifest)
  return { ...done, notes: [...work.notes, ...notesOf(wanted)] }
}

/** Origins first: whoever fetches from one finds it as it has to be. */
async function readWanted(manifest: Manifest, { source }: Filling, names: readonly string[]): Promise<StreamPoint[]> {
  const all = new Map<string, StreamPoint>()
  for (const name of names) all.set(name, await readStream(manifest, source, name))
  return originsFirst([...all.values()].map(({ config }) => config)).map(({ name }) => all.get(name) as StreamPoint)
}

/** What may be deleted, as it was confirmed; undefined where an earlier try has done all of it. */
async function openJournal({ js, manifest, confirm, fresh }: Swap, names: readonly string[], marks: Marks): Promise<Journal | undefined> {
  const found = await readJournal(js, manifest)
  if (found?.confirm === confirm) return found
  const live = new Map((await listStreams(js)).map((info) => [info.config.name, info]))
  if (names.every((name) => isDone(live.get(name), marks))) return undefined
  await fresh(js)
  const replaced = names.flatMap((name) => (live.has(name) ? [[name, live.get(name)?.created ?? '']] : []))
  const journal: Journal = { confirm, replaced: Object.fromEntries(replaced) as Record<string, string> }
  await writeJournal(js, manifest, journal)
  return journal
}

const isDone = (info: StreamInfo | undefined, marks: Marks): boolean => info !== undefined && marks.isDone(info)

async function swapStream(work: Work, { parts, config, state, record }: StreamPoint): Promise<void> {
  const { js, filling, marks } = work
  const { name } = parts
  if (isDone(await findStream(js, name), marks)) return
  const { context, source, dir } = filling
  context.onProgress({ phase: `fetch ${name}`, totalBytes: parts.snapshot.plainBytes ?? 0 })
  const file = join(dir, 'snapshot')
  await source.toFile(parts.snapshot, file)
  work.notes.push(...(await tellFollowers(js, name, work.restored)))
  const placed = placedOn(js, config)
  if (placed.num_replicas < config.num_replicas)
    work.notes.push(`${name} had ${config.num_replicas} replicas: a server of its own keeps one`)
  const onBytes = (bytes: number) => context.onProgress({ phase: `restore ${name}`, bytes })
  const load = { config: quietConfig(placed, marks.begun), state, file, signal: context.signal, onBytes }
  // Asked first: where the server refuses the stream for another reason than that it is there, nothing was deleted.
  await loadStream(js, load).catch(async (error: unknown) => {
    if (!isApiError(error, API.exists)) throw error
    await deleteReplaced(work, name)
    await loadStream(js, load).catch((failure: unknown) => {
      throw left(work, name, failure)
    })
  })
  await rm(file)
  const added = await addMissing(js, placed, record)
  if (added.length > 0)
    work.notes.push(`the snapshot of ${name} is without ${added.join(', ')}: made again after what they had acknowledged`)
  await requireEqual(work, name, record, added)
  await open(work, placed, record)
}

const placedOn = (js: JetStream, config: StreamConfig): StreamConfig => (isClustered(js) ? config : { ...config, num_replicas: 1 })

/** Only what was confirmed, or a half of this same restore. Looked at right before, since a deletion names no more than a name. */
async function deleteReplaced({ js, marks, journal }: Work, name: string): Promise<void> {
  const found = await findStream(js, name)
  if (!found) return
  if (!marks.isBegun(found) && found.created !== journal.replaced[name]) throw madeAgain(name)
  await js.ask(`STREAM.DELETE.${name}`)
}

function madeAgain(name: string): HoldfastError {
  return new HoldfastError('STORE_CONFLICT', `${name} is there, and is not the stream that was confirmed: somebody made it since`, {
    object: name,
    next: `stop what makes ${name}, delete it where nothing in it is needed, and repeat the restore with the same confirmation`,
  })
}

/** The live one is gone by now: whoever reads this has to know how to go on. */
function left({ manifest, confirm }: Work, name: string, error: unknown): unknown {
  if (!(error instanceof HoldfastError) || error.code === 'CANCELLED') return error
  const { code, message, object, details, retryable } = error
  return new HoldfastError(code, message, {
    object: object ?? name,
    details,
    retryable: retryable || code === 'SOURCE_UNFIT',
    cause: error,
    next: `${error.next}; then repeat the restore of ${manifest.id} with the confirmation ${confirm}: it goes on with ${name}`,
  })
}

async function requireEqual(
  { js, manifest, filling: { context } }: Work,
  name: string,
  record: ConsumersRecord,
  added: readonly string[],
): Promise<void> {
  const { inventory = {} } = manifest
  const growing = (await findStream(js, name))?.config.mirror !== undefined
  const assertions = await compareStream({
    js,
    context,
    inventory,
    name,
    compared: record.compared,
    added,
    depth: 'restore',
    where: 'live',
    growing,
  })
  const red = assertions.filter(({ ok }) => !ok).map((one) => `${one.name}: expected ${one.expected}, found ${one.actual}`)
  if (red.length === 0) return
  throw new HoldfastError('VERIFY_FAILED', `${name} is not what the manifest says, and stays closed: ${red.join('; ')}`, {
    object: name,
    retryable: true,
  })
}

/** From here on it is used: its own subjects, sources and limits, in one step. */
async function open(work: Work, config: StreamConfig, record: ConsumersRecord): Promise<void> {
  const { js, marks, notes, restored } = work
  const { sources, notes: told } = continued(config, record.sources, restored, { itself: true })
  const wanted = { ...config, ...(sources && { sources }), metadata: { ...config.metadata, [MARK]: marks.done } }
  const opened = await js.ask<StreamInfo>(`STREAM.UPDATE.${config.name}`, wanted)
  const otherwise = changedIn(wanted, opened.config)
  notes.push(...told)
  if (otherwise.length > 0) notes.push(`the server keeps ${config.name} with another ${otherwise.join(', ')} than it had`)
}
