/**
 * What a point is made of, kept on the leader under the point's id until it is uploaded: the snapshot as a hard link, which
 * the node's own clean-up does not take away, and for a cold point copies of what changes. A later try finds it again.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { HoldfastError } from '../../core/errors.ts'
import type { CaptureRequest, DriverContext, Snapshot } from '../driver.ts'
import { infoOf, leaderOf, metricsOf } from './cluster.ts'
import type { RaftClusterConfig } from './config.ts'
import { differences, type Listed, listingScript, readListing } from './listing.ts'
import { doOn, freeOn, line, type Node, nodesOf, type Origin, readOn, stagesOf, unreachable, writeOn } from './node.ts'
import { paused, type Pausing, resumeOurs } from './pause.ts'
import { takeSnapshot, type Taken } from './take.ts'

const stageSchema = z.object({
  node: z.string(),
  name: z.string(),
  index: z.number(),
  entriesAtLeast: z.number(),
  entriesAtMost: z.number(),
  at: z.string(),
  cold: z.boolean(),
  pausedSeconds: z.number().optional(),
  pausedByOthers: z.boolean().optional(),
  /** BLAKE3 would need a program that hosts do not have. */
  sha256: z.string(),
})
export type Stage = z.infer<typeof stageSchema>

export const stageOf = (node: Node, source: string, id: string): string => join(stagesOf(node, source), id)
export const filesIn = (stage: string): string => join(stage, 'files')
export const INFO = 'cluster-info.json'
const STAGE = 'stage.json'

export async function makeStage(origin: Origin, context: DriverContext, { id, kind }: CaptureRequest): Promise<Snapshot> {
  const { config } = origin
  const made = await findStage(origin, id, context.signal)
  if (made) return { node: made.node, at: made.at }
  await resumeOurs(origin, context)
  await removeOthers(origin, id, context.signal)
  const stage = kind === 'full' ? await cold(origin, context, id) : await keep(origin, context, id, await takeSnapshot(config, context))
  return { node: stage.node, at: stage.at }
}

/** On whichever node it was made. */
export async function findStage(origin: Origin, id: string, signal: AbortSignal): Promise<Stage | undefined> {
  for (const node of nodesOf(origin.config)) {
    if ((await unreachable(node, signal)) !== undefined) continue
    const text = await readOn(node, join(stageOf(node, origin.source, id), STAGE), signal)
    if (text !== undefined) return stageSchema.parse(JSON.parse(text))
  }
  return undefined
}

/** Removes it, and the folder around it where nothing else is in it. Harmless where there is nothing. */
export async function removeStage(origin: Origin, id: string, signal: AbortSignal): Promise<void> {
  await sweep(origin, signal, (folder) => line('rm', '-rf', '--', join(folder, id)))
}

/** Of points before this one, on nodes that could not be reached at the time: one source has one backup at a time. */
const removeOthers = (origin: Origin, id: string, signal: AbortSignal): Promise<void> =>
  sweep(origin, signal, (folder) => `${line('find', folder, '-mindepth', '1', '-maxdepth', '1', '!', '-name', id)} -exec rm -rf -- {} +`)

/** A node that cannot be reached is left to the next backup. */
async function sweep({ config, source }: Origin, signal: AbortSignal, script: (folder: string) => string): Promise<void> {
  for (const node of nodesOf(config)) {
    if ((await unreachable(node, signal)) !== undefined) continue
    const folder = stagesOf(node, source)
    await doOn(node, `if [ -d ${line(folder)} ]; then ${script(folder)}; ${line('rmdir', '--', folder)} 2>/dev/null || true; fi`, {
      signal,
    })
  }
}

/** Writes are paused for as long as it takes to copy on the node's own disk, not for the upload. */
async function cold(origin: Origin, context: DriverContext, id: string): Promise<Stage> {
  const { config } = origin
  const { node } = await leaderOf(config, context.signal)
  await requireSpace(config, node, context.signal)
  return paused(origin, context, id, async (pausing) => {
    const taken = await takeSnapshot(config, context)
    const stage = await keep(origin, context, id, taken, pausing)
    await requireStillPaused(config, taken.node, context.signal)
    return stage
  })
}

async function requireSpace({ folders }: RaftClusterConfig, node: Node, signal: AbortSignal): Promise<void> {
  const store = join(node.dataDir, folders.store)
  const need = Number((await doOn(node, `du -sB1 ${line(store)} | cut -f1`, { signal })).trim())
  const free = await freeOn(node, signal)
  if (free > need) return
  throw new HoldfastError('SPACE_SHORT', `a copy of ${store} on ${node.name} needs ${need} bytes, and ${free} are free`, {
    object: node.name,
    next: 'free room beside dataDir, name another asideDir on the same file system, or take points of kind snapshot',
  })
}

async function requireStillPaused(config: RaftClusterConfig, node: Node, signal: AbortSignal): Promise<void> {
  if ((await metricsOf(config, node, signal))?.writesPaused === 1) return
  throw new HoldfastError('SOURCE_LOCKED', 'somebody resumed writes while they were paused for a backup', {
    object: node.url,
    next: 'it is tried again; see who else runs commands.resume',
  })
}

async function keep(origin: Origin, context: DriverContext, id: string, taken: Taken, pausing?: Pausing): Promise<Stage> {
  const { config, source } = origin
  const { node, name, ...facts } = taken
  const { signal } = context
  const folder = stageOf(node, source, id)
  const files = filesIn(folder)
  const from = join(node.dataDir, config.folders.snapshots, name)
  const to = join(files, 'snapshots')
  context.onProgress({ phase: `keep ${name}` })
  await doOn(
    node,
    `${line('rm', '-rf', '--', files)}; ${line('mkdir', '-p', to)}; ${copy('-al', from, to)} 2>/dev/null || ${copy('-a', from, to)}`,
    { signal },
  )
  if (pausing) await copyStore(node, join(node.dataDir, config.folders.store), join(files, 'store'), signal)
  const listed = await listStage(node, folder, signal)
  await writeOn(node, join(folder, INFO), (await infoOf(config, node, signal)).text, signal)
  const stage: Stage = {
    node: node.name,
    name,
    ...facts,
    cold: pausing !== undefined,
    ...(pausing && { pausedSeconds: (performance.now() - pausing.since) / 1000, pausedByOthers: pausing.byOthers }),
    sha256: sumOf(listed),
  }
  // Last: only a whole one is found again.
  await writeOn(node, join(folder, STAGE), JSON.stringify(stage), signal)
  return stage
}

const copy = (how: string, from: string, to: string): string => line('cp', how, '--', from, to)

const TRIES = 3

/** A leader that changes meanwhile writes an entry of its own into the store: then once more. */
async function copyStore(node: Node, from: string, to: string, signal: AbortSignal): Promise<void> {
  let wrong: string[] = []
  for (let count = 0; count < TRIES; count += 1) {
    await doOn(node, `${line('rm', '-rf', '--', to)}; ${line('cp', '-a', '--reflink=auto', '--', from, to)}`, { signal })
    const [original, copied] = [await listOn(node, from, signal), await listOn(node, to, signal)]
    wrong = differences(original, copied)
    if (wrong.length === 0) return
  }
  throw new HoldfastError('SOURCE_LOCKED', `${from} on ${node.name} changes although writes are paused: ${wrong[0]}`, {
    object: node.name,
    next: 'see what writes there, or take points of kind snapshot',
  })
}

export const listOn = async (node: Node, folder: string, signal: AbortSignal): Promise<Listed[]> =>
  readListing(await doOn(node, listingScript(folder), { signal }))

export const listStage = (node: Node, folder: string, signal: AbortSignal): Promise<Listed[]> => listOn(node, filesIn(folder), signal)

/** Of a listing as a whole. */
export const sumOf = (listed: readonly Listed[]): string =>
  createHash('sha256')
    .update(JSON.stringify(listed.map(({ name, bytes, sha256 }) => [name, bytes, sha256])))
    .digest('hex')
