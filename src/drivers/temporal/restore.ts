/** A recovery point in a scratch namespace: set up as it was, schedules paused, histories beside it as files. */
import { mkdir, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { shellWord } from '../../core/shell.ts'
import { orCancelled } from '../common/cancelled.ts'
import { partOf } from '../common/part.ts'
import type { ArtifactSource, DriverContext, DriverWiring, RestoreChoice, Restored } from '../driver.ts'
import type { TemporalSourceConfig } from './config.ts'
import { addAttributes, registerNamespace } from './namespace.ts'
import { startOpenRuns } from './open-runs.ts'
import { histories } from './read-bundle.ts'
import { extentOf, indexPart } from './records.ts'
import { createMissing, readSettings, type Settings, type Wanted, wantedOf } from './recreate.ts'
import { destroyScratch, makeScratch, withScratch } from './scratch.ts'

/** What a verification compares with; kept beside the instance. */
export interface Kept extends Settings {
  wanted: Wanted
}
export const keptFile = (dir: string): string => join(dir, 'kept.json')

export async function restoreScratch(
  config: TemporalSourceConfig,
  wiring: Pick<DriverWiring, 'secret'>,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  { dir, choice }: { dir: string; choice?: RestoreChoice | undefined },
): Promise<Restored> {
  const wanted = wantedOf(manifest, choice)
  await makeScratch(config, wiring, dir)
  try {
    const settings = await readSettings(manifest, source, wanted)
    await writeFile(keptFile(dir), JSON.stringify({ ...settings, wanted } satisfies Kept))
    const bytes = wanted.histories ? await fetchBundles(context, manifest, source, dir) : 0
    context.onProgress({ phase: 'instance' })
    return await withScratch(config, wiring, dir, context.signal, async (session) => {
      const { address, namespace } = session
      await registerNamespace(session, settings.namespace, context.signal)
      await addAttributes(session, settings.attributes, context.signal)
      for (const [parts, record] of settings.schedules.entries()) {
        if (parts % 50 === 0) context.onProgress({ phase: 'schedules', parts })
        // Never running in a scratch place, whatever was chosen.
        await createMissing(session, record, { point: `${manifest.source}/${manifest.id}`, running: false, dir })
      }
      if (wanted.open) await startOpenRuns(session, context, manifest, { dir, fileOf: (part) => histories(dir, part) })
      const connect = `temporal schedule list --address ${address} --namespace ${shellWord(namespace)}`
      return { target: { kind: 'scratch' as const, dir, connection: address, database: namespace, connect }, bytes }
    })
  } catch (error) {
    await destroyScratch(config, wiring, dir)
    throw orCancelled(error, context.signal, `the restore into ${dir}`, dir)
  }
}

/** Bundles and their indexes, as files. */
async function fetchBundles(context: DriverContext, manifest: Manifest, source: ArtifactSource, dir: string): Promise<number> {
  const artifacts = Object.keys(extentOf(manifest).bundles).flatMap((part) => [partOf(manifest, part), partOf(manifest, indexPart(part))])
  const totalBytes = artifacts.reduce((sum, { plainBytes = 0 }) => sum + plainBytes, 0)
  await requireSpace(dir, totalBytes)
  let bytes = 0
  for (const artifact of artifacts) {
    context.onProgress({ phase: 'histories', bytes, totalBytes })
    const file = histories(dir, artifact.part)
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await source.toFile(artifact, file)
    bytes += artifact.plainBytes ?? 0
  }
  return bytes
}

async function requireSpace(dir: string, need: number): Promise<void> {
  const { bavail, bsize } = await statfs(dir)
  if (bavail * bsize >= need * 1.1) return
  throw new HoldfastError('SPACE_SHORT', `${dir} has ${bavail * bsize} bytes free; the histories need ${need}`, { object: dir })
}
