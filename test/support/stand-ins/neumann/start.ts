/**
 * A stand-in for Neumann, the home-grown replicated store of one of the teams that Holdfast is for: nobody outside has
 * it. A process for each node, with files, a log, elections and an admin API as that team's own pages describe them.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../../../scripts/toolbox/ports.ts'
import { type RunResult, run } from '../../../../src/process/run.ts'
import { until } from '../../../../src/process/wait.ts'
import { type Config, type Member, configFile, printConfig, readConfig } from './config.ts'
import { type NeumannNode, createNode } from './start-node.ts'

export type { NeumannNode } from './start-node.ts'
/** To be put on PATH, for what runs the command by its name. */
export const NEUMANN_BIN = import.meta.dirname

export interface Neumann {
  /** In the order of their ids, from 1. */
  nodes: NeumannNode[]
  dir: string
  /** Runs neumann-admin with NEUMANN_ADDR set to the node, the first that runs by default. Throws where it exits with another code. */
  admin(args: readonly string[], node?: NeumannNode, exitCode?: number): Promise<RunResult>
  /** Waits until every node that runs names the same one, and that one runs. */
  leader(): Promise<NeumannNode>
  /** By way of any node; resolves once a majority has it. A null deletes. Throws where it is refused. */
  put(key: string, value: string | null): Promise<{ index: number; term: number; time: string }>
  /** Of one node's own store: the first that runs by default. */
  get(key: string, node?: NeumannNode): Promise<string | undefined>
  metric(name: string, node: NeumannNode): Promise<number>
  stop(): Promise<void>
}
export interface NeumannOptions {
  nodes?: number
  dir?: string
  /** Over the stand-in's defaults, for every node. */
  raft?: Partial<Config['raft']>
  wal?: Partial<Config['wal']>
  /** False: folders and configs only, as on machines where Neumann was just installed. */
  start?: boolean
}

/**
 * Folders `<dir>/node-1`, …, each with `etc/config.toml`, `raft/` and `store/`. On a `dir` of an earlier one that
 * cluster goes on, on the same ports; a new one is initialized here, unless it is only prepared.
 */
export async function startNeumann(options: NeumannOptions = {}): Promise<Neumann> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'holdfast-neumann-')))
  const ids = Array.from({ length: options.nodes ?? 3 }, (_, at) => at + 1)
  const isNew = !existsSync(configFile(join(dir, 'node-1')))
  const members = isNew ? await newMembers(ids) : readConfig(join(dir, 'node-1')).cluster.members
  const nodes = members.map(({ id, addr }) => createNode(id, addr, join(dir, `node-${id}`)))
  for (const node of nodes) {
    await mkdir(join(node.dir, 'etc'), { recursive: true })
    const config = { node: { id: node.id }, cluster: { members }, raft: options.raft ?? {}, wal: options.wal ?? {} }
    await writeFile(configFile(node.dir), printConfig(config))
  }
  const cluster = clusterOf(dir, nodes, !options.dir)
  if (options.start === false) return cluster
  try {
    await Promise.all(nodes.map((node) => node.start()))
    if (isNew) await cluster.admin(['init-cluster', '--bootstrap'])
    if (isNew) await cluster.leader()
  } catch (error) {
    await cluster.stop()
    throw error
  }
  return cluster
}

async function newMembers(ids: readonly number[]): Promise<Member[]> {
  const members: Member[] = []
  for (const id of ids) members.push({ id, addr: `127.0.0.1:${await freePort()}` })
  return members
}

function clusterOf(dir: string, nodes: NeumannNode[], remove: boolean): Neumann {
  const running = () => nodes.filter((node) => node.running)
  const anyOf = (node?: NeumannNode): NeumannNode => {
    const found = node ?? running()[0]
    if (!found) throw new Error('no node of the cluster runs')
    return found
  }
  const metric = async (name: string, node: NeumannNode) => {
    const text = await (await fetch(`${node.url}/metrics`)).text()
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
  }
  const agreed = async () => {
    const named = await Promise.all(running().map((node) => metric('neumann_raft_leader_id', node)))
    return named.every((id) => id === named[0]) ? running().find(({ id }) => id === named[0]) : undefined
  }
  return {
    dir,
    nodes,
    metric,
    admin: (args, node, exitCode = 0) => {
      const env = { NEUMANN_ADDR: anyOf(node).url.replace('http://', '') }
      return run({ program: join(NEUMANN_BIN, 'neumann-admin'), args, env }, { timeoutMs: 60_000, accept: [exitCode] })
    },
    leader: () => until(agreed, { timeoutMs: 60_000, what: 'the nodes to agree on a leader' }),
    put: async (key, value) => {
      const reply = await fetch(`${anyOf().url}/kv`, { method: 'POST', body: JSON.stringify({ key, value }) })
      const body = (await reply.json()) as { index: number; term: number; time: string; error?: string }
      if (!reply.ok) throw new Error(`HTTP ${reply.status}: ${body.error}`)
      return body
    },
    get: async (key, node) => {
      const reply = await fetch(`${anyOf(node).url}/kv?key=${encodeURIComponent(key)}`)
      return reply.ok ? ((await reply.json()) as { value: string }).value : undefined
    },
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()))
      if (remove) await rm(dir, { recursive: true, force: true })
    },
  }
}
