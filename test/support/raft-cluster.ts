/** A source on a stand-in for Neumann: its configuration, its driver, and what is in the cluster. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createDriver } from '../../src/drivers/raft-cluster/index.ts'
import { leaderOf } from '../../src/drivers/raft-cluster/cluster.ts'
import { raftClusterSource, type RaftClusterConfig } from '../../src/drivers/raft-cluster/config.ts'
import type { SourceDriver } from '../../src/drivers/driver.ts'
import { run } from '../../src/process/run.ts'
import { NEUMANN_BIN, type Neumann, type NeumannNode, type NeumannOptions, startNeumann } from './stand-ins/neumann/start.ts'

export const ADMIN = join(NEUMANN_BIN, 'neumann-admin')
const MAIN = join(NEUMANN_BIN, 'main.ts')
const SERVICE = join(NEUMANN_BIN, 'neumann-service')

export interface ClusterSource {
  cluster: Neumann
  dir: string
  config(more?: object): RaftClusterConfig
  driver(more?: object): Promise<SourceDriver>
  leader(): Promise<NeumannNode>
  /** Every key and value, of the node that is named; of the leader otherwise. */
  contents(node?: Pick<NeumannNode, 'url'>): Promise<string>
  paused(): Promise<boolean>
  /** What is beside the nodes' folders. */
  leftovers(): Promise<string[]>
  remove(): Promise<void>
}

/** How a single node is started for a proof. */
export const SCRATCH = {
  start: [process.execPath, MAIN, '{dataDir}'],
  config: { 'config.toml': '[node]\nid = 1\n[[cluster.members]]\nid = 1\naddr = "{addr}"\n[raft]\nheartbeat_ms = 50\nelection_ms = 200\n' },
}

export const configFor = (cluster: Neumann, more: object = {}): RaftClusterConfig =>
  raftClusterSource.parse({
    driver: 'raft-cluster',
    host: 'here',
    repository: 'hot',
    nodes: nodesFor(cluster),
    programs: { admin: ADMIN },
    scratch: SCRATCH,
    ...more,
  })

export const nodesFor = (cluster: Neumann) =>
  Object.fromEntries(
    cluster.nodes.map(({ id, url, dir }) => [
      `node-${id}`,
      { url, dataDir: dir, configDir: join(dir, 'etc'), service: { stop: [SERVICE, 'stop', dir], start: [SERVICE, 'start', dir] } },
    ]),
  )

export async function openClusterSource(options: NeumannOptions = {}): Promise<ClusterSource> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-raft-'))
  const cluster = await startNeumann({ raft: { heartbeat_ms: 50, election_ms: 400 }, dir: join(dir, 'cluster'), ...options })
  const config = (more?: object) => configFor(cluster, more)
  // By the source's own view: after a restore the nodes are those that the service started.
  const leader = async () => {
    const { node } = await leaderOf(config())
    return cluster.nodes.find(({ url }) => url === node.url) ?? cluster.leader()
  }
  return {
    cluster,
    dir,
    config,
    driver: (more) => createDriver(config(more), { source: 'orders' }),
    leader,
    contents: async (node) => contentsOf(node ?? (await leader())),
    paused: async () => (await cluster.metric('neumann_writes_paused', await leader())) === 1,
    leftovers: async () => {
      const own = cluster.nodes.map((node) => basename(node.dir))
      const [first] = cluster.nodes
      return (await readdir(dirname(first?.dir ?? ''))).filter((name) => !own.includes(name)).sort()
    },
    async remove() {
      await cluster.stop()
      for (const node of cluster.nodes) await run({ program: SERVICE, args: ['stop', node.dir] })
      await rm(dir, { recursive: true, force: true })
    },
  }
}

const KEYS = 20

/** By way of one node, whoever started it. */
export async function put(node: Pick<NeumannNode, 'url'>, key: string, value: string): Promise<{ index: number; time: string }> {
  const reply = await fetch(`${node.url}/kv`, { method: 'POST', body: JSON.stringify({ key, value }) })
  if (!reply.ok) throw new Error(`HTTP ${reply.status}: ${await reply.text()}`)
  return (await reply.json()) as { index: number; time: string }
}

export async function fill(cluster: Neumann, prefix = 'orders'): Promise<void> {
  for (let count = 0; count < KEYS; count += 1) await cluster.put(`${prefix}/${count}`, `value ${count}`)
}

/** By counting and reading the keys that tests write. */
async function contentsOf(node: Pick<NeumannNode, 'url'>): Promise<string> {
  const read = async (key: string) => {
    const reply = await fetch(`${node.url}/kv?key=${encodeURIComponent(key)}`)
    return reply.ok ? `${key}=${((await reply.json()) as { value: string }).value}` : undefined
  }
  const keys = ['orders', 'later'].flatMap((prefix) => Array.from({ length: KEYS }, (_, count) => `${prefix}/${count}`))
  const count = await (await fetch(`${node.url}/admin/query?sql=${encodeURIComponent('SELECT COUNT(*) FROM kv')}`)).text()
  return [count.trim(), ...(await Promise.all(keys.map(read))).filter((line) => line !== undefined)].join('\n')
}
