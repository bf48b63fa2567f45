/** A point restored into a scratch server of its own: the whole RDB, or graphs of it from their export. */
import { statfs } from 'node:fs/promises'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import { shellWord } from '../../core/shell.ts'
import { orCancelled } from '../common/cancelled.ts'
import type { ArtifactSource, DriverContext, RestoreChoice, Restored } from '../driver.ts'
import type { RedisSourceConfig } from './config.ts'
import { importGraph } from './graph-import.ts'
import { graphsWanted } from './parts.ts'
import { destroyScratch, makeScratch, rdbOf, socketOf, startScratch, withScratch } from './scratch.ts'

export interface RestoreOptions {
  dir: string
  /** It is to be used, and not only to be looked at: one that does not start is of no use. */
  promote?: boolean
  choice?: RestoreChoice
}

export async function restoreScratch(
  config: RedisSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  { dir, promote = false, choice = {} }: RestoreOptions,
): Promise<Restored> {
  await makeScratch(dir)
  try {
    const scratch = { config, dir, databases: databasesOf(manifest), signal: context.signal }
    if (choice.parts) await fillWithGraphs({ ...scratch, writable: true }, context, manifest, source, choice)
    else {
      await bringRdb(manifest, source, dir, context)
      await startScratch(scratch).catch((error: unknown) => {
        // Damage is found by the proof, and shown there.
        if (promote || context.signal.aborted || !(error instanceof HoldfastError) || error.code !== 'PROCESS_FAILED') throw error
      })
    }
    const socket = socketOf(dir)
    return {
      target: {
        kind: 'scratch',
        dir,
        connection: `unix://${socket}`,
        database: manifest.source,
        connect: `${shellWord(config.programs.cli)} -s ${shellWord(socket)}`,
      },
      bytes: manifest.sizeBytes,
    }
  } catch (error) {
    await destroyScratch(dir)
    throw orCancelled(error, context.signal, `the restore into ${dir}`, dir)
  }
}

/** The RDB of the point, into the folder of a scratch server. */
export async function bringRdb(manifest: Manifest, source: ArtifactSource, dir: string, context: DriverContext): Promise<void> {
  const { bavail, bsize } = await statfs(dir)
  const rdb = rdbArtifact(manifest)
  const need = rdb.plainBytes ?? manifest.sizeBytes
  if (bavail * bsize < need)
    throw new HoldfastError('SPACE_SHORT', `${dir} has ${bavail * bsize} bytes free; the RDB has ${need}`, { object: dir })
  context.onProgress({ phase: 'download' })
  await source.toFile(rdb, rdbOf(dir))
  context.onProgress({ phase: 'load' })
}

async function fillWithGraphs(
  scratch: Parameters<typeof startScratch>[0],
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  choice: RestoreChoice,
): Promise<void> {
  const wanted = graphsWanted(manifest, choice)
  await startScratch(scratch)
  await withScratch(scratch.dir, async (client) => {
    for (const graph of wanted) {
      context.onProgress({ phase: `graph ${graph.into.name}` })
      await importGraph(client, graph.into, await source.read(graph.artifact), context.signal)
    }
  })
}

export function rdbArtifact(manifest: Manifest): Artifact {
  const found = manifest.artifacts.find(({ role }) => role === 'rdb')
  if (found) return found
  throw new HoldfastError('INTEGRITY', `${manifest.source}/${manifest.id} has no RDB`, { object: manifest.id })
}

export const databasesOf = ({ consistency }: Manifest): number => Number(consistency['databases'] ?? 16)
