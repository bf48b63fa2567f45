/** A point restored to be looked at: as collections of other names, on a server for that or on the source itself. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { shellWord } from '../../core/shell.ts'
import { orCancelled } from '../common/cancelled.ts'
import type { ArtifactSource, DriverContext, RestoreChoice, Restored } from '../driver.ts'
import { makeOwnFolder } from '../common/own-folder.ts'
import { canonicalJson } from './canonical.ts'
import { versionOf } from './collections.ts'
import { type Filling, fillFromExport, fillFromSnapshots, sampleOf } from './fill.ts'
import { artifactsOf, wantedOf } from './parts.ts'
import { destroy, readScratch, type Scratch, scratchName, tagOf, uploadName, writeScratch } from './scratch.ts'
import { type Place, type Server, withServer } from './server.ts'
import { requireTakes } from './versions.ts'
import { scratchPlace, type Work } from './work.ts'

export interface RestoreOptions {
  dir: string
  /** It is to be used, and not only to be looked at: one that is damaged is of no use. */
  promote?: boolean
  choice?: RestoreChoice
}

export const sampleIn = (dir: string, collection: string): string => join(dir, `sample-${encodeURIComponent(collection)}.ndjson`)

export async function restoreScratch(
  work: Work,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  { dir, promote = false, choice = {} }: RestoreOptions,
): Promise<Restored> {
  if (choice.into !== undefined)
    throw new HoldfastError('INPUT_INVALID', 'a new name is for a restore over the live server, whose aliases then lead to it', {
      object: 'into',
      next: 'leave into out, or add live',
    })
  const wanted = wantedOf(manifest, choice)
  await destroy(work, dir)
  await makeOwnFolder(dir)
  const place = scratchPlace(work)
  const scratch: Scratch = {
    url: place.url,
    tag: tagOf(manifest.id, dir),
    from: choice.mode === 'upsert' ? 'export' : 'snapshots',
    collections: {},
    damaged: {},
  }
  try {
    await withServer(work, place, context.signal, async (server) => {
      if (scratch.from === 'snapshots') requireTakes(manifest, await versionOf(server), server.url)
      requireOneServer(work, manifest, wanted, scratch)
      for (const collection of wanted) await restoreOne(server, { context, manifest, source }, { collection, dir, scratch, promote })
    })
  } catch (error) {
    // Where the server has gone, the folder goes on saying what is there.
    await destroy(work, dir).catch(() => {})
    throw orCancelled(error, context.signal, `the restore into ${place.url}`, dir)
  }
  const database = scratchName(scratch.tag, '')
  return {
    target: { kind: 'scratch', dir, connection: place.url, database, connect: lookAt(place, `${database}${wanted[0] ?? ''}`) },
    bytes: manifest.sizeBytes,
  }
}

function lookAt({ url, apiKey }: Place, collection: string): string {
  const key = apiKey === undefined ? '' : '-H "api-key: $QDRANT_API_KEY" '
  return `curl ${key}${shellWord(`${url}/collections/${encodeURIComponent(collection)}`)}`
}

interface One {
  collection: string
  dir: string
  scratch: Scratch
  promote: boolean
}

async function restoreOne(server: Server, filling: Filling, { collection, dir, scratch, promote }: One): Promise<void> {
  const name = scratchName(scratch.tag, collection)
  scratch.collections[collection] = name
  await writeScratch(dir, scratch)
  const sample = await sampleOf(filling, collection)
  await writeFile(sampleIn(dir, collection), sample.map((point) => `${canonicalJson(point)}\n`).join(''), { mode: 0o600 })
  filling.context.onProgress({ phase: `restore ${collection}` })
  const fill =
    scratch.from === 'export'
      ? fillFromExport(filling, collection, server, { name })
      : fillFromSnapshots(filling, collection, {
          name,
          file: uploadName(scratch.tag),
          serverOf: () => server,
          async last() {
            // A try that was frozen while a later one removed what it had made must not make it again.
            if (await readScratch(dir)) return
            throw new HoldfastError('CANCELLED', `the restore into ${dir} was given up`, { object: dir })
          },
        })
  await fill.catch(async (error: unknown) => {
    // What the server finds damaged is found by the proof, and shown there; what the repository does, is an error of its own.
    if (promote || !(error instanceof HoldfastError) || error.code !== 'INTEGRITY' || error.details['status'] === undefined) throw error
    scratch.damaged[collection] = error.message
    await writeScratch(dir, scratch)
  })
}

/** Shards of several nodes come together on a server that stands alone; on a cluster each node keeps those that it happens to have. */
function requireOneServer({ config }: Work, manifest: Manifest, wanted: readonly string[], { from }: Scratch): void {
  const several = (config.nodes?.length ?? 1) > 1 || wanted.some((collection) => artifactsOf(manifest, collection, 'snapshot').length > 1)
  if (!several || from === 'export' || config.scratch.url !== undefined) return
  throw new HoldfastError('SOURCE_UNFIT', 'snapshots of a cluster are not restored beside the cluster', {
    object: 'scratch.url',
    next: 'give the source scratch.url, a Qdrant that stands alone; or restore the export, with mode upsert',
  })
}
