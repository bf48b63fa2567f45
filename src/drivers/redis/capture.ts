/**
 * One capture: the RDB, which is one moment, checked by the engine, loaded into a scratch server before it counts, and
 * described and exported from there. So what stands beside the RDB is of exactly its moment, whatever is written meanwhile.
 */
import { createReadStream } from 'node:fs'
import { copyFile, link, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Artifact, Inventory } from '../../core/records.ts'
import { orCancelled } from '../common/cancelled.ts'
import type { ArtifactSink, Captured, CaptureRequest, DriverContext, Snapshot } from '../driver.ts'
import { ACL_PART, usersOf } from './acl.ts'
import { checkRdb, type RdbFacts } from './check.ts'
import { placeOf, withServer } from './connect.ts'
import { entryOf, graphsIn } from './facts.ts'
import { fetchByReplication, keepSaved, saveAndWait } from './fetch.ts'
import { exportGraph } from './graph-export.ts'
import { inventoryOf } from './inventory.ts'
import { graphPart } from './parts.ts'
import { destroyScratch, makeScratch, rdbOf, startScratch, withScratch } from './scratch.ts'
import { type Glance, glance, requireSame } from './at-rest.ts'
import { lookDir, savedFile, type Work } from './work.ts'

/**
 * Looks at the server; where its file is to be taken, has it save and keeps the file under the name of the point, so that
 * an upload that is tried again asks nothing of the server. Over the network nothing is left anywhere before the upload.
 */
export async function snapshot(work: Work, context: DriverContext, { id }: CaptureRequest): Promise<Snapshot> {
  const server = await work.server()
  return withServer(server, async (client): Promise<Snapshot> => {
    const before = JSON.stringify(await glance(client))
    if (work.config.fetch !== 'folder') return { before }
    const savedAfter = Date.now()
    await saveAndWait(client, placeOf(server), context)
    const file = savedFile(work, id)
    await keepSaved(work.config, { into: file, savedAfter })
    return { before, file }
  })
}

export async function removeSnapshot(work: Work, id: string): Promise<void> {
  const file = savedFile(work, id)
  await rm(`${file}.partial`, { force: true })
  await rm(file, { force: true })
}

export async function capture(work: Work, context: DriverContext, request: CaptureRequest, sink: ArtifactSink): Promise<Captured> {
  const dir = lookDir(work, request.id, request.attempt)
  // What an earlier try left on this worker; one that is only frozen finds its folder gone and fails.
  for (let earlier = 1; earlier < request.attempt; earlier += 1) await destroyScratch(lookDir(work, request.id, earlier))
  await makeScratch(dir)
  try {
    const snapped = request.snapshot ?? (await snapshot(work, context, request))
    const before = JSON.parse(String(snapped['before'])) as Glance
    await bringRdb(work, context, dir, snapped)
    const { config } = work
    context.onProgress({ phase: 'check' })
    const rdb = await checkRdb(config.programs.checkRdb, rdbOf(dir), context.signal)
    const source = await aroundRdb(work)
    const looked = config.load
      ? await look(work, context, { dir, databases: source.databases, before, after: source.seen, sink })
      : undefined
    const artifacts = [await storeRdb(sink, rdbOf(dir)), ...(looked?.artifacts ?? [])]
    if (source.users !== undefined)
      artifacts.push(await sink.storeBytes({ part: ACL_PART, role: ACL_PART, required: true, bytes: Buffer.from(source.users) }))
    return {
      artifacts,
      consistency: { time: rdb.at.toISOString(), databases: source.databases, usedMemory: rdb.usedMemory },
      inventory: { rdb: rdbEntry(rdb), ...looked?.inventory },
      sizeBytes: rdb.bytes,
      fileCount: artifacts.length,
      warnings: [
        ...(rdb.checksum === 'off' ? ['the server writes no checksum into its RDB (rdbchecksum no)'] : []),
        ...(looked?.warnings ?? []),
      ],
    }
  } catch (error) {
    throw orCancelled(error, context.signal, `the capture of ${work.source}`, request.id)
  } finally {
    await destroyScratch(dir)
  }
}

async function bringRdb(work: Work, context: DriverContext, dir: string, { file }: Snapshot): Promise<void> {
  if (file === undefined) return fetchByReplication(work.config, await work.server(), rdbOf(dir), context)
  await link(String(file), rdbOf(dir)).catch(() => copyFile(String(file), rdbOf(dir)))
}

interface AroundRdb {
  seen: Glance
  databases: number
  users?: string
}

async function aroundRdb(work: Work): Promise<AroundRdb> {
  return withServer(await work.server(), async (client) => {
    const seen = await glance(client)
    return { seen, databases: seen.databases, ...(work.config.acl && { users: await usersOf(client) }) }
  })
}

const rdbEntry = ({ bytes, keys, expires, version, checksum }: RdbFacts): Inventory[string] => ({ bytes, keys, expires, version, checksum })

const storeRdb = (sink: ArtifactSink, file: string): Promise<Artifact> =>
  sink.storeStream({ part: 'dump.rdb', role: 'rdb', required: true, stream: createReadStream(file) })

interface Looking {
  dir: string
  databases: number
  before: Glance
  after: Glance
  sink: ArtifactSink
}

interface Looked {
  inventory: Inventory
  artifacts: Artifact[]
  warnings: string[]
}

/** Loads the RDB: one that does not load never becomes a point. */
async function look(work: Work, context: DriverContext, { dir, databases, before, after, sink }: Looking): Promise<Looked> {
  const { config } = work
  const { signal } = context
  context.onProgress({ phase: 'load' })
  await startScratch({ config, dir, databases, tied: true, signal }).catch((error: unknown) => {
    if (signal.aborted || !(error instanceof HoldfastError) || error.code !== 'PROCESS_FAILED') throw error
    throw new HoldfastError('INTEGRITY', `the RDB of ${work.source} passes its check and does not load: ${error.message}`, {
      object: work.source,
      cause: error,
      retryable: true,
      next: 'read the log of the server; where the server has modules, set modules of the source to their paths on the worker',
    })
  })
  return withScratch(dir, async (client) => {
    const inventory = await inventoryOf(client, { depth: 'digests', signal, onProgress: (phase) => context.onProgress({ phase }) })
    await withServer(await work.server(), (live) => requireSame(live, { before, after, inventory }))
    const artifacts: Artifact[] = []
    const warnings: string[] = []
    for (const graph of config.graphs.export ? graphsIn(inventory) : []) {
      context.onProgress({ phase: entryOf(graph) })
      const stream = Readable.from(exportGraph(client, graph, signal), { objectMode: false })
      const stored = sink.storeStream({ part: graphPart(graph), role: 'graph', required: !config.graphs.optional, stream })
      const artifact = await stored.catch((error: unknown) => {
        if (!config.graphs.optional || signal.aborted) throw error
        warnings.push(`${entryOf(graph)} is not exported: ${messageOf(error)}`)
        return undefined
      })
      if (artifact) artifacts.push(artifact)
    }
    return { inventory, artifacts, warnings }
  })
}
