/** A private server with the streams of a recovery point. */
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { orCancelled } from '../common/cancelled.ts'
import type { ArtifactSource, DriverContext, RestoreChoice, Restored } from '../driver.ts'
import type { NatsSourceConfig } from './config.ts'
import { addMissing } from './consumers.ts'
import type { JetStream } from './jetstream.ts'
import { loadStream } from './load.ts'
import { changedIn, scratchConfig } from './quiet.ts'
import { type ConsumersRecord, partsOf, readStream, type StreamPoint, streamsIn, wantedOf } from './records.ts'
import { connectCommand, destroyScratch, makeScratch, scratchUrl, startScratch, withScratch } from './server.ts'
import { isOlder, programVersion } from './versions.ts'

/** What a verification needs to know of a stream that the manifest does not say; kept beside the instance. */
export interface Kept extends Pick<ConsumersRecord, 'compared'> {
  /** Consumers that the snapshot did not hold. */
  added: string[]
  /** Fields of the configuration that the copy has otherwise. */
  changed: string[]
}

export const keptFile = (dir: string, folder: string): string => join(dir, 'kept', `${folder}.json`)

interface Wanted {
  dir: string
  choice?: RestoreChoice | undefined
}

export async function restoreScratch(
  config: NatsSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  { dir, choice }: Wanted,
): Promise<Restored> {
  const names = wantedOf(manifest, choice?.parts)
  await requireVersion(config.programs.server, manifest, names, context.signal)
  await makeScratch(dir)
  try {
    await requireSpace(dir, manifest, names)
    context.onProgress({ phase: 'instance' })
    await startScratch(config.programs.server, dir, context.signal)
    await mkdir(join(dir, 'kept'))
    await withScratch(dir, context.signal, async (js) => {
      for (const name of names) await restoreStream({ js, context, source, dir }, await readStream(manifest, source, name))
    })
    const url = await scratchUrl(dir)
    const bytes = names.reduce((sum, name) => sum + partsOf(manifest, name).bytes, 0)
    const target = { kind: 'scratch' as const, dir, connection: url, database: names.join(', '), connect: connectCommand(dir, url) }
    return { target, bytes }
  } catch (error) {
    await destroyScratch(dir)
    throw orCancelled(error, context.signal, `the restore into ${dir}`, dir)
  }
}

interface Filling {
  js: JetStream
  context: DriverContext
  source: ArtifactSource
  dir: string
}

async function restoreStream({ js, context, source, dir }: Filling, { parts, config, state, record }: StreamPoint): Promise<void> {
  const { name, folder } = parts
  context.onProgress({ phase: `stream ${name}`, totalBytes: parts.snapshot.plainBytes ?? 0 })
  const file = join(dir, 'snapshot')
  await source.toFile(parts.snapshot, file)
  const copy = scratchConfig(config, 'scratch')
  const onBytes = (bytes: number) => context.onProgress({ phase: `stream ${name}`, bytes })
  await loadStream(js, { config: copy, state, file, signal: context.signal, onBytes })
  await rm(file)
  const { compared } = record
  const kept: Kept = {
    added: await addMissing(js, copy, record),
    changed: changedIn(config, copy),
    ...(compared && { compared }),
  }
  await writeFile(keptFile(dir, folder), JSON.stringify(kept))
}

async function requireVersion(program: string, manifest: Manifest, names: readonly string[], signal: AbortSignal): Promise<void> {
  const version = await programVersion(program, signal)
  const newer = newerThan(version, manifest, names)
  if (!newer) return
  throw new HoldfastError(
    'VERSION_UNFIT',
    `${program} on this worker is ${version}; the snapshot of ${newer.name} is from NATS ${newer.version}`,
    {
      object: program,
      next: `install nats-server ${newer.version} or later on the worker, or name it in programs.server of the source`,
    },
  )
}

/** A stream whose snapshot a server of this version cannot read. */
export function newerThan(version: string, manifest: Manifest, names: readonly string[]): { name: string; version: string } | undefined {
  const name = names.find((one) => isOlder(version, streamsIn(manifest)[one]?.version ?? ''))
  return name === undefined ? undefined : { name, version: streamsIn(manifest)[name]?.version ?? '' }
}

/** The streams, and the largest of their snapshots beside them while it is read. */
export async function requireSpace(dir: string, manifest: Manifest, names: readonly string[]): Promise<void> {
  const parts = names.map((name) => partsOf(manifest, name))
  const need = parts.reduce((sum, { bytes }) => sum + bytes, 0) + Math.max(0, ...parts.map(({ snapshot }) => snapshot.plainBytes ?? 0))
  const { bavail, bsize } = await statfs(dir)
  if (bavail * bsize >= need * 1.1) return
  throw new HoldfastError('SPACE_SHORT', `${dir} has ${bavail * bsize} bytes free; the restore needs about ${Math.ceil(need * 1.1)}`, {
    object: dir,
  })
}
