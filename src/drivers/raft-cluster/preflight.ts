/** Whether a backup of this cluster can succeed, before it is begun. Changes nothing. */
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { DriverContext, Preflight } from '../driver.ts'
import { bytesOn } from './capture.ts'
import { infoOf, type Info, leaderOf } from './cluster.ts'
import { isThere, type Node, nodesOf, type Origin, unreachable } from './node.ts'

type Finding = Preflight['findings'][number]

export async function preflight(origin: Origin, { signal, onProgress }: DriverContext): Promise<Preflight> {
  onProgress({ phase: 'preflight' })
  const { config } = origin
  const { node: leader, metrics } = await leaderOf(config, signal)
  const why = await unreachable(leader, signal)
  if (why !== undefined)
    throw new HoldfastError('SOURCE_UNREACHABLE', `the files of ${leader.name}, which leads, cannot be reached: ${why}`, {
      object: leader.name,
      next: `correct nodes.${leader.name}.shell: it runs a line of shell on that node`,
    })
  const { info } = await infoOf(config, leader, signal)
  return {
    versions: { engine: info.version ?? 'unknown' },
    estimateBytes: Math.max(1, await bytesOn(leader, origin, signal)),
    findings: [
      members(info, nodesOf(config)),
      await dataFolder(origin, leader, signal),
      ...(await others(origin, leader, signal)),
      pauses(metrics.writesPaused),
    ],
  }
}

/** A node that nobody named is not stopped and cleared by a restore: it would bring back what it has. */
function members({ members: there }: Info, nodes: readonly Node[]): Finding {
  const unknown = there.filter(({ addr }) => !nodes.some((node) => node.addr === addr)).map(({ addr }) => addr)
  return {
    name: 'members',
    ok: unknown.length === 0,
    required: true,
    detail:
      unknown.length === 0 ? `${there.length} members, all of them named` : `${unknown.join(', ')}: of the cluster, and none of nodes`,
    next: 'name every node of the cluster under nodes, by the address that the cluster knows it by',
  }
}

async function dataFolder({ config }: Origin, leader: Node, signal: AbortSignal): Promise<Finding> {
  const folder = join(leader.dataDir, config.folders.raft)
  const ok = await isThere(leader, folder, signal)
  return {
    name: 'data folder',
    ok,
    required: true,
    detail: ok ? folder : `there is no ${folder} on ${leader.name}`,
    next: `correct nodes.${leader.name}.dataDir, or folders.raft`,
  }
}

async function others({ config }: Origin, leader: Node, signal: AbortSignal): Promise<Finding[]> {
  const found: Finding[] = []
  for (const node of nodesOf(config)) {
    if (node.name === leader.name) continue
    const why = await unreachable(node, signal)
    if (why !== undefined)
      found.push({
        name: `files of ${node.name}`,
        ok: false,
        required: false,
        detail: why,
        next: `correct nodes.${node.name}.shell`,
      })
  }
  return found
}

function pauses(paused: number): Finding {
  return {
    name: 'writes',
    ok: paused !== 1,
    required: false,
    detail: paused === 1 ? 'writes are paused' : 'writes are taken',
    next: 'where nobody knows why: resume them',
  }
}
