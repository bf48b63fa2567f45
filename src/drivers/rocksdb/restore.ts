/** A copy of a recovery point in a folder: a private scratch one, or one that the operator named. */
import { mkdir, readdir, rename, rm, statfs, writeFile, readFile } from 'node:fs/promises'
import { basename, dirname, join, normalize } from 'node:path'
import { Readable } from 'node:stream'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import { run } from '../../process/run.ts'
import { shellWord } from '../../core/shell.ts'
import { inOrder } from '../common/in-order.ts'
import type { ArtifactSource, DriverContext, Restored, RestoreChoice } from '../driver.ts'
import type { RocksdbSourceConfig } from './config.ts'
import { copyIn, exists, makeScratch, removeScratch, statOf } from './places.ts'

export async function restore(
  config: RocksdbSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  { dir, choice }: { dir: string; choice?: RestoreChoice },
): Promise<Restored> {
  const into = choice?.into
  if (into !== undefined) await requireFree(into)
  await destroy(dir)
  await makeScratch(dir)
  try {
    const copy = into === undefined ? copyIn(dir) : await besides(dir, into)
    await fillFolder(copy, context, manifest, source)
    if (into !== undefined) {
      await settle(copy)
      await rename(copy, into)
    }
    const place = into ?? copy
    const connect = `${config.programs.ldb} --db=${shellWord(place)} scan --max_keys=10`
    return {
      target: { kind: into === undefined ? 'scratch' : 'beside', dir, connection: place, database: place, connect },
      bytes: manifest.sizeBytes,
    }
  } catch (error) {
    await destroy(dir)
    throw error
  }
}

/** Files that are read at once: most are small, and waiting for the repository is most of the time. */
const AT_ONCE = { width: 4, weight: () => 1, most: Infinity }

/** Every file of the point in a new folder of mode 700. */
export async function fillFolder(folder: string, context: DriverContext, manifest: Manifest, source: ArtifactSource): Promise<void> {
  await mkdir(folder, { mode: 0o700 })
  await requireSpace(folder, manifest.sizeBytes)
  let bytes = 0
  let parts = 0
  const fetched = inOrder(Readable.from(manifest.artifacts), AT_ONCE, async (artifact: Artifact) => {
    context.onProgress({ phase: 'restore', parts: parts++, bytes, totalBytes: manifest.sizeBytes })
    if (context.signal.aborted) throw new HoldfastError('CANCELLED', `the restore into ${folder} was cancelled`, { object: folder })
    const path = join(folder, inside(artifact.part))
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await source.toFile(artifact, path)
    return artifact.plainBytes ?? 0
  })
  for await (const size of fetched) bytes += size
}

/** A name that leads out of the folder is none of ours. */
function inside(part: string): string {
  const name = normalize(part)
  if (!name.startsWith('/') && !name.startsWith('..')) return name
  throw new HoldfastError('INTEGRITY', `the part ${part} leads out of the folder`, { object: part })
}

/** On the disk, before anybody relies on it. */
export async function settle(folder: string): Promise<void> {
  await run({ program: 'sync', args: ['-f', folder] })
}

/** Where the folder is, or will be. */
export async function requireSpace(folder: string, need: number): Promise<void> {
  if (!(await exists(folder))) return requireSpace(dirname(folder), need)
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize >= need) return
  throw new HoldfastError('SPACE_SHORT', `${folder} has ${bavail * bsize} bytes free; the restore needs ${need}`, { object: folder })
}

async function requireFree(into: string): Promise<void> {
  const found = await statOf(into)
  if (found === undefined || (found.isDirectory() && (await readdir(into)).length === 0)) return
  throw new HoldfastError('INPUT_INVALID', `${into} is there already, and not empty`, {
    object: into,
    next: 'name a folder that is not there yet, or an empty one',
  })
}

/** Says in the scratch folder what is filled beside the place that it is for: so whoever removes one removes the other. */
const NOTE = 'filling'

async function besides(dir: string, into: string): Promise<string> {
  const filling = `${into}.${basename(dir)}`
  await writeFile(join(dir, NOTE), filling)
  await mkdir(dirname(into), { recursive: true })
  await rm(filling, { recursive: true, force: true })
  return filling
}

/** What reached its place stays. */
export async function destroy(dir: string): Promise<void> {
  const note = join(dir, NOTE)
  if (await exists(note)) await rm(await readFile(note, 'utf8'), { recursive: true, force: true })
  await removeScratch(dir)
}
