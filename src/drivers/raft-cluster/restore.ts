/** A recovery point as a folder laid out as a node's data folder; where the source says how, one node runs on a copy of it. */
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { run } from '../../process/run.ts'
import { stopMarked } from '../../process/marked.ts'
import { shellWord } from '../../core/shell.ts'
import { partOf } from '../common/part.ts'
import type { ArtifactSource, DriverContext, Restored, RestoreTarget } from '../driver.ts'
import { makeOwnFolder, removeOwnFolder, requireOwnFolder } from '../common/own-folder.ts'
import { commandOf } from './cluster.ts'
import { bytesOf } from './listing.ts'
import { nodesOf, type Origin } from './node.ts'
import { filesOf, nodeOfConfig, STATE, untarScript } from './parts.ts'
import { configBelow, configIn, dataIn, layoutOf, nodeIn, walIn } from './places.ts'
import { sawBeyond, type Stopped, stoppedAt, unplayable, untilOf } from './replay.ts'
import { fetchRoute, notesOf, routeTo } from './wal.ts'
import { copyForNode, startNode } from './scratch.ts'
import { describe } from '../../process/command.ts'
import { orCancelled } from '../common/cancelled.ts'

export interface Wanted {
  dir: string
  to?: RestoreTarget
}

export async function restore(
  origin: Origin,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  { dir, to }: Wanted,
): Promise<Restored> {
  const { config } = origin
  try {
    await destroy(dir)
    await makeOwnFolder(dir)
    await fillData(origin, context, manifest, source, dir)
    const replayed = to ? await replay(origin, context, manifest, dir, to) : undefined
    if (config.scratch) await tryNode(origin, context, dir, replayed !== undefined)
    const connection = config.scratch || replayed ? nodeIn(dir) : dataIn(dir)
    return {
      ...replayed,
      target: { kind: 'scratch', dir, connection, database: manifest.source, connect: await lookAt(origin, dir) },
      bytes: bytesOf(await filesOf(manifest, source)),
    }
  } catch (error) {
    await destroy(dir)
    throw orCancelled(error, context.signal, `the restore into ${dir}`, dir)
  }
}

/** One that does not start is what verify says, with why. */
async function tryNode({ config }: Origin, { signal, onProgress }: DriverContext, dir: string, replayed: boolean): Promise<void> {
  onProgress({ phase: 'start a node' })
  if (!replayed) await copyForNode(config, dir)
  await startNode(config, dir, signal).catch((error: unknown) => {
    const damage = error instanceof HoldfastError && ['PROCESS_FAILED', 'PROCESS_TIMEOUT', 'SOURCE_UNREACHABLE'].includes(error.code)
    if (signal.aborted || !damage) throw error
  })
}

/** On a copy: what was restored stays as it was captured. */
async function replay(
  origin: Origin,
  context: DriverContext,
  manifest: Manifest,
  dir: string,
  to: RestoreTarget,
): Promise<Pick<Restored, 'notes' | 'warnings'> & { stoppedAt: Stopped }> {
  const { config } = origin
  const route = await routeTo(origin, to, manifest)
  await copyForNode(config, dir)
  await fetchRoute(route, walIn(dir), context)
  context.onProgress({ phase: 'replay' })
  const command = commandOf(config, 'walReplay', { dataDir: nodeIn(dir), walDir: walIn(dir), until: untilOf(to) })
  const { stdout } = await run(command, { signal: context.signal }).catch((error: unknown) => {
    throw unplayable(error, route, context.signal)
  })
  const [notes, lacking] = sawBeyond(stdout) ? [notesOf(route), []] : [[], notesOf(route)]
  const warnings = [...lacking, ...route.archive.damaged]
  return {
    stoppedAt: stoppedAt(stdout, to, manifest, route),
    ...(notes.length > 0 && { notes }),
    ...(warnings.length > 0 && { warnings }),
  }
}

export async function fillData(
  origin: Origin,
  { signal, onProgress }: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  dir: string,
): Promise<void> {
  const { config } = origin
  const data = dataIn(dir)
  const unpacked = join(dir, 'unpacked')
  onProgress({ phase: 'restore', bytes: 0, totalBytes: manifest.sizeBytes })
  await unpack(manifest, source, STATE, unpacked)
  for (const [part, place] of Object.entries(layoutOf(config))) {
    await mkdir(dirname(join(data, place)), { recursive: true, mode: 0o700 })
    await rename(join(unpacked, part), join(data, place)).catch((error: NodeJS.ErrnoException) => {
      // Only a cold point has a store.
      if (error.code !== 'ENOENT') throw error
    })
  }
  await rm(unpacked, { recursive: true, force: true })
  signal.throwIfAborted()
  onProgress({ phase: 'configuration' })
  for (const artifact of manifest.artifacts) {
    const name = nodeOfConfig(artifact)
    if (name !== undefined) await unpack(manifest, source, artifact.part, join(dir, 'config', name))
  }
  await placeConfig(origin, manifest, dir)
}

/** Of the first node that has one: commands that work on a data folder may look for it there. */
async function placeConfig({ config }: Origin, manifest: Manifest, dir: string): Promise<void> {
  const names = nodesOf(config).map(({ name }) => name)
  const captured = manifest.artifacts.flatMap((artifact) => nodeOfConfig(artifact) ?? [])
  const first = names.find((name) => captured.includes(name))
  if (first === undefined || configBelow(config) === undefined) return
  const place = configIn(dataIn(dir), config)
  await mkdir(dirname(place), { recursive: true })
  await rename(join(dir, 'config', first), place)
}

async function unpack(manifest: Manifest, source: ArtifactSource, part: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await source.feed(partOf(manifest, part), { program: 'sh', args: ['-c', untarScript(folder)] })
}

async function lookAt({ config }: Origin, dir: string): Promise<string> {
  if (config.scratch) return `cat ${shellWord(join(dir, 'node.json'))}`
  return describe(commandOf(config, 'verifyChecksums', { dataDir: dataIn(dir) }))
}

/** Stops the node and removes the folder. May be called twice, and by another process than the one that started it. */
export async function destroy(dir: string): Promise<void> {
  await requireOwnFolder(dir)
  await stopMarked(dir)
  await removeOwnFolder(dir)
}
