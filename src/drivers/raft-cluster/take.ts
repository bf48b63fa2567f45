/** A snapshot by the admin API of the leader, awaited by its metrics; a leader that goes meanwhile is followed by the next one. */
import { seconds } from '../../core/duration.ts'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import type { DriverContext } from '../driver.ts'
import { call, leaderOf, type Metrics, metricsOf } from './cluster.ts'
import type { RaftClusterConfig } from './config.ts'
import { doOn, line, type Node, nodesOf } from './node.ts'

export interface Taken {
  node: Node
  /** The file or folder among the node's snapshots. */
  name: string
  index: number
  /** Entries before it was begun, and once it was there: what it holds is between. */
  entriesAtLeast: number
  entriesAtMost: number
  at: string
}

/** A look found that the one that was asked does not lead any more, or is gone: the next one is asked. */
class Moved extends Error {}

export async function takeSnapshot(config: RaftClusterConfig, context: DriverContext): Promise<Taken> {
  const timeoutMs = seconds(config.snapshotTimeout) * 1000
  const { signal } = context
  let why = ''
  const taken = async () => {
    try {
      return await takeOnce(config, context)
    } catch (error) {
      if (!(error instanceof Moved)) throw error
      why = messageOf(error)
      return undefined
    }
  }
  return until(taken, { timeoutMs, everyMs: 200, what: 'a snapshot on the leader', signal }).catch((error: unknown) => {
    if (!(error instanceof HoldfastError) || error.code !== 'PROCESS_TIMEOUT' || why === '') throw error
    throw new HoldfastError('PROCESS_TIMEOUT', `${error.message}; at last ${why}`, { object: error.object ?? '', cause: error })
  })
}

async function takeOnce(config: RaftClusterConfig, context: DriverContext): Promise<Taken> {
  const { signal } = context
  const { node, metrics: before } = await leaderOf(config, signal)
  context.onProgress({ phase: `snapshot on ${node.name}` })
  const [method = '', path = ''] = config.endpoints.snapshot.split(' ')
  const reply = await call(`${node.url}${path}`, method, signal)
  if (!reply) throw new Moved(`${node.name} did not answer`)
  if (reply.leader !== undefined || reply.status === 503) {
    requireKnown(config, reply.leader)
    throw new Moved(`${node.name} does not lead any more`)
  }
  // One that is under way may have been begun before what has to be in this one.
  if (reply.status === 409 && (await metricsOf(config, node, signal))?.snapshotInProgress === 1)
    throw new Moved('another snapshot was under way')
  if (!reply.ok)
    throw new HoldfastError('SOURCE_UNFIT', `${node.name} takes no snapshot: HTTP ${reply.status}: ${reply.text.trim().slice(0, 500)}`, {
      object: node.url,
      next: `correct what it says; by hand: curl -X ${method} ${node.url}${path}`,
    })
  const said = saidBy(reply.text)
  const wanted = Math.max(said.index ?? 0, before.appliedIndex)
  const after = await finished(config, context, { node, before, wanted })
  const name = said.name ?? (await newestOn(node, config, signal))
  const at = new Date().toISOString()
  return { node, name, index: after.snapshotIndex, entriesAtLeast: before.totalEntries, entriesAtMost: after.totalEntries, at }
}

/** It was asked whether it leads a moment ago: where it names a leader that nobody configured, waiting helps nobody. */
function requireKnown(config: RaftClusterConfig, leader: string | undefined): void {
  const known = nodesOf(config).map(({ addr }) => addr)
  if (leader === undefined || known.includes(leader)) return
  throw new HoldfastError('SOURCE_UNFIT', `the leader is ${leader}, which is none of the nodes of the source: ${known.join(', ')}`, {
    object: leader,
    next: 'add it to nodes, with the address under which the cluster knows it',
  })
}

interface Awaited {
  node: Node
  before: Metrics
  wanted: number
}
/** After this long without one under way and without its index, it is not coming. */
const BEGIN_MS = 10_000

async function finished(
  config: RaftClusterConfig,
  { signal, onProgress }: DriverContext,
  { node, before, wanted }: Awaited,
): Promise<Metrics> {
  const asked = performance.now()
  const look = async () => {
    onProgress({ phase: `snapshot on ${node.name}` })
    const now = await metricsOf(config, node, signal)
    if (!now) throw new Moved(`${node.name} went away while it took a snapshot`)
    if (now.snapshotFailures > before.snapshotFailures)
      throw new HoldfastError('PROCESS_FAILED', `the snapshot on ${node.name} failed`, {
        object: node.url,
        next: `read the log of ${node.name}: is its disk full?`,
      })
    if (now.snapshotInProgress === 1) return undefined
    if (now.snapshotIndex >= wanted) return now
    if (now.isLeader !== 1) throw new Moved(`${node.name} does not lead any more`)
    if (performance.now() - asked > BEGIN_MS) throw new Moved(`no snapshot of entry ${wanted} came to be on ${node.name}`)
    return undefined
  }
  const timeoutMs = seconds(config.snapshotTimeout) * 1000
  return until(look, { timeoutMs, everyMs: 200, what: `the snapshot on ${node.name}`, signal })
}

/** Where the answer names what it makes; otherwise the newest is it. */
function saidBy(text: string): { name?: string; index?: number } {
  try {
    const { name, index } = JSON.parse(text) as { name?: unknown; index?: unknown }
    return {
      ...(typeof name === 'string' && /^[\w.-]+$/.test(name) && { name }),
      ...(typeof index === 'number' && { index }),
    }
  } catch {
    return {}
  }
}

async function newestOn(node: Node, { folders }: RaftClusterConfig, signal: AbortSignal): Promise<string> {
  const folder = `${node.dataDir}/${folders.snapshots}`
  const name = (await doOn(node, `${line('ls', '-t', folder)} | head -n 1`, { signal })).trim()
  if (name !== '') return name
  throw new HoldfastError('SOURCE_UNFIT', `${node.name} has no snapshot in ${folder}`, {
    object: folder,
    next: 'correct dataDir of the node, or folders.snapshots of the source',
  })
}
