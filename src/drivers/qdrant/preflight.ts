/** Whether a capture of this server can succeed, before it is begun. Changes nothing. */
import type { DriverContext, Preflight } from '../driver.ts'
import {
  type Alias,
  aliasesOf,
  type CollectionInfo,
  collectionInfo,
  collectionNames,
  selected,
  shardsOf,
  versionOf,
} from './collections.ts'
import type { Server } from './server.ts'
import { type Nodes, type Work, withNodes } from './work.ts'

type Finding = Preflight['findings'][number]

export async function preflight(work: Work, context: DriverContext): Promise<Preflight> {
  context.onProgress({ phase: 'preflight' })
  return withNodes(work, context.signal, async (nodes) => {
    const [first] = nodes
    const version = await versionOf(first)
    const all = await collectionNames(first)
    const aliases = await aliasesOf(first)
    const names = selected(work.config, all, aliases)
    const infos: { name: string; info: CollectionInfo }[] = []
    for (const name of names) infos.push({ name, info: await collectionInfo(first, name) })
    const findings = [
      await nodesFinding(nodes, names),
      ...(await versionsFinding(nodes, version)),
      namedFinding(work, all, aliases),
      statusFinding(infos),
      await shardsFinding(nodes, names),
      keyFinding(work, nodes),
    ]
    return {
      versions: { qdrant: version },
      estimateBytes: infos.reduce((sum, { info }) => sum + estimate(info), 0),
      findings: findings.filter((finding): finding is Finding => finding !== undefined),
    }
  })
}

/** Of a cluster every node is needed, each once: two addresses may lead to the same one. */
async function nodesFinding(nodes: Nodes, names: readonly string[]): Promise<Finding> {
  const cluster = await nodes[0].ask('its cluster', (api, init) => api.clusterStatus({}, init))
  const members = cluster.status === 'enabled' ? Object.keys(cluster.peers).length : nodes.length
  const [name] = names
  const peers = new Set(name === undefined ? nodes.map(({ url }) => url) : await Promise.all(nodes.map((node) => peerOf(node, name))))
  const ok = peers.size === nodes.length && members === nodes.length
  return {
    name: 'nodes',
    ok,
    required: true,
    detail: ok
      ? `${nodes.length} of ${members}`
      : `the source names ${nodes.length} nodes, which are ${peers.size}, of a cluster of ${members}`,
    next: 'write every node of the cluster in nodes, by an address of its own and not one that is shared',
  }
}

const peerOf = async (node: Server, name: string): Promise<string> => String((await shardsOf(node, name)).peer_id)

async function versionsFinding(nodes: readonly Server[], version: string): Promise<Finding[]> {
  const others = await Promise.all(nodes.slice(1).map(async (node) => ({ url: node.url, version: await versionOf(node) })))
  const different = others.filter((other) => other.version !== version)
  if (others.length === 0) return []
  return [
    {
      name: 'versions',
      ok: different.length === 0,
      required: false,
      detail:
        different.length === 0 ? version : `${version}, but ${different.map((other) => `${other.url} is ${other.version}`).join(', ')}`,
      next: 'end the upgrade of the cluster: a snapshot is restored on the version that made it',
    },
  ]
}

function namedFinding({ config }: Work, all: readonly string[], aliases: readonly Alias[]): Finding {
  const known = [...all, ...aliases.map(({ alias_name }) => alias_name)]
  const missing = config.collections.include.filter((name) => !name.includes('*') && !known.includes(name))
  const names = selected(config, all, aliases)
  const ok = missing.length === 0 && names.length > 0
  return {
    name: 'collections',
    ok,
    // A server without any is backed up as one; what is named has to be there.
    required: missing.length > 0,
    detail: missing.length > 0 ? `there is no collection ${missing.join(', ')}` : `${names.length} of ${all.length} collections`,
    next: 'correct collections of the source',
  }
}

function statusFinding(infos: readonly { name: string; info: CollectionInfo }[]): Finding {
  const red = infos.filter(({ info }) => info.status === 'red').map(({ name }) => name)
  return {
    name: 'status',
    ok: red.length === 0,
    required: true,
    detail: red.length === 0 ? 'no collection is red' : `Qdrant says red of ${red.join(', ')}`,
    next: 'look at optimizer_status of the collection and at the log of the server',
  }
}

/** A snapshot of a dead replica is what nobody wants back. */
async function shardsFinding(nodes: readonly Server[], names: readonly string[]): Promise<Finding> {
  const broken: string[] = []
  for (const node of nodes)
    for (const name of names) {
      const { local_shards } = await shardsOf(node, name)
      const others = local_shards.filter(({ state }) => state !== 'Active')
      broken.push(...others.map(({ shard_id, state }) => `shard ${shard_id} of ${name} on ${node.url} is ${state}`))
    }
  return {
    name: 'shards',
    ok: broken.length === 0,
    required: true,
    detail: broken.length === 0 ? 'all are active' : broken.join('; '),
    next: 'wait until the cluster has recovered them',
  }
}

function keyFinding({ config }: Work, nodes: readonly Server[]): Finding | undefined {
  const open = nodes.filter(({ url }) => url.startsWith('http:') && !/^(127\.|localhost$|\[::1\])/.test(new URL(url).hostname))
  if (config.apiKey === undefined || open.length === 0) return undefined
  return {
    name: 'encryption',
    ok: false,
    required: false,
    detail: `the API key goes to ${open.map(({ url }) => url).join(', ')} in the clear`,
    next: 'enable TLS on the server and write https',
  }
}

/** Qdrant tells no sizes: vectors, and something for each payload. */
function estimate({ points_count, config }: CollectionInfo): number {
  const { vectors } = config.params
  const sizes = vectors && 'size' in vectors ? [vectors] : Object.values(vectors ?? {})
  const floats = sizes.reduce((sum, vector) => sum + Number((vector as { size?: number } | undefined)?.size ?? 0), 0)
  return Math.max(1, points_count ?? 0) * (floats * 4 + 512)
}
