/** Uploads what a snapshot left on the leader, with the configuration of every node and what the cluster says of itself. */
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Artifact, Inventory } from '../../core/records.ts'
import { startChain } from '../../process/chain.ts'
import { line } from './node.ts'
import type { ArtifactSink, Captured, CaptureRequest, DriverContext } from '../driver.ts'
import { type Info, infoOf } from './cluster.ts'
import { archiveOfNow } from './history.ts'
import { bytesOf, digestOf, differences, type Listed } from './listing.ts'
import { doOn, type Node, nodesOf, onNode, type Origin, readOn } from './node.ts'
import { CLUSTER, type ClusterRecord, configPart, FILES, STATE, tarScript } from './parts.ts'
import { filesIn, findStage, INFO, listStage, type Stage, stageOf, sumOf } from './stage.ts'

export async function capture(origin: Origin, context: DriverContext, { id }: CaptureRequest, sink: ArtifactSink): Promise<Captured> {
  const { config, source } = origin
  const { signal } = context
  const stage = await findStage(origin, id, signal)
  const node = nodesOf(config).find(({ name }) => name === stage?.node)
  if (!stage || !node)
    throw new HoldfastError('NOT_FOUND', `the snapshot of ${id} is on no node that can be reached`, {
      object: id,
      next: 'start the backup again',
    })
  const folder = stageOf(node, source, id)
  const before = await listStage(node, folder, signal)
  if (sumOf(before) !== stage.sha256) throw changed(node, id, 'since it was taken')
  context.onProgress({ phase: 'upload', totalBytes: bytesOf(before) })
  const state = await storeTar(node, filesIn(folder), { part: STATE, role: 'state', required: true }, context, sink)
  // A snapshot that the engine wrote to meanwhile is of no one moment.
  const wrong = differences(before, await listStage(node, folder, signal))
  if (wrong.length > 0) throw changed(node, id, `while it was uploaded: ${wrong[0]}`)
  const files = await sink.storeBytes({ part: FILES, role: 'index', required: true, bytes: Buffer.from(JSON.stringify(before)) })
  const record = await clusterRecord(origin, node, folder, signal)
  const cluster = await sink.storeBytes({ part: CLUSTER, role: 'metadata', required: true, bytes: Buffer.from(JSON.stringify(record)) })
  const configs = await storeConfigs(origin, context, sink)
  const wal = await archiveOfNow(origin, node, signal)
  return {
    artifacts: [state, files, cluster, ...configs.artifacts],
    consistency: { time: stage.at, snapshot: stage.name },
    inventory: { ...inventoryOf(origin, stage, before, record), ...(wal.archive !== undefined && { wal: { archive: wal.archive } }) },
    sizeBytes: bytesOf(before),
    fileCount: before.length,
    warnings: [...warningsOf(stage), ...configs.warnings, ...(wal.warning === undefined ? [] : [wal.warning])],
  }
}

function changed(node: Node, id: string, when: string): HoldfastError {
  return new HoldfastError('INTEGRITY', `the snapshot of ${id} on ${node.name} changed ${when}`, {
    object: id,
    next: 'start the backup again; where it happens again, look at the disk of the node',
  })
}

type Part = Pick<Artifact, 'part' | 'role' | 'required'>

async function storeTar(node: Node, folder: string, part: Part, { signal }: DriverContext, sink: ArtifactSink): Promise<Artifact> {
  const chain = startChain([onNode(node, `set -e; ${tarScript(folder)}`)], { signal })
  try {
    const artifact = await sink.storeStream({ ...part, stream: chain.stdout })
    await chain.done
    return artifact
  } catch (error) {
    throw signal.aborted ? new HoldfastError('CANCELLED', 'the upload was cancelled', { object: folder, cause: error }) : error
  } finally {
    await chain.stop()
  }
}

/** A node that is down is no reason for a cluster without a backup. */
async function storeConfigs(
  { config }: Origin,
  context: DriverContext,
  sink: ArtifactSink,
): Promise<{ artifacts: Artifact[]; warnings: string[] }> {
  const artifacts: Artifact[] = []
  const warnings: string[] = []
  for (const node of nodesOf(config)) {
    context.onProgress({ phase: `configuration of ${node.name}` })
    try {
      artifacts.push(await storeTar(node, node.configDir, { part: configPart(node.name), role: 'config', required: false }, context, sink))
    } catch (error) {
      if (context.signal.aborted) throw error
      warnings.push(`the configuration of ${node.name} is not in the point: ${messageOf(error)}`)
    }
  }
  return { artifacts, warnings }
}

async function clusterRecord({ config }: Origin, node: Node, folder: string, signal: AbortSignal): Promise<ClusterRecord & { id: string }> {
  const text = await readOn(node, join(folder, INFO), signal)
  const { info } = text === undefined ? await infoOf(config, node, signal) : { info: JSON.parse(text) as Info }
  const nameOf = (addr: string) => nodesOf(config).find((one) => one.addr === addr)?.name
  const members = (info.members ?? []).map(({ addr }) => ({ addr, ...(nameOf(addr) !== undefined && { node: nameOf(addr) as string }) }))
  return { id: info.cluster ?? '', members, info: text ?? JSON.stringify(info) }
}

function inventoryOf(
  { config }: Origin,
  stage: Stage,
  files: readonly Listed[],
  { id, members }: ClusterRecord & { id: string },
): Inventory {
  return {
    cluster: { id, members: members.length, nodes: nodesOf(config).length },
    members: Object.fromEntries(members.flatMap(({ node, addr }) => (node === undefined ? [] : [[node, addr]]))),
    snapshot: {
      index: stage.index,
      'entries at least': stage.entriesAtLeast,
      'entries at most': stage.entriesAtMost,
      sha256: digestOf(ofSnapshot(files)),
    },
    files: { count: files.length, bytes: bytesOf(files), sha256: digestOf(files) },
    ...(stage.pausedSeconds !== undefined && { pause: { seconds: Math.round(stage.pausedSeconds * 1000) / 1000 } }),
  }
}

/** By the names that they have on a node. */
const ofSnapshot = (files: readonly Listed[]): Listed[] =>
  files.flatMap((file) => (file.name.startsWith('snapshots/') ? [{ ...file, name: file.name.slice('snapshots/'.length) }] : []))

function warningsOf({ pausedByOthers }: Stage): string[] {
  return pausedByOthers ? ['writes were paused before the backup by somebody else, and were left so'] : []
}

/** Bytes that the files of a node take now. */
export async function bytesOn(node: Node, { config: { folders } }: Origin, signal: AbortSignal): Promise<number> {
  const said = await doOn(
    node,
    `cd ${line(node.dataDir)}; du -sb ${line(folders.snapshots, folders.store)} 2>/dev/null | cut -f1 || true`,
    { signal },
  )
  return said.split('\n').reduce((sum, size) => sum + Number(size || 0), 0)
}
