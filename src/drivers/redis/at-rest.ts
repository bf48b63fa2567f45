/** What the source says of itself around a save: where nobody wrote meanwhile, the RDB must hold just as much. */
import { HoldfastError } from '../../core/errors.ts'
import type { Inventory } from '../../core/records.ts'
import { type Client, infoOf, type Keyspace, keyspaceOf, settingOf } from './connect.ts'
import { entryOf, graphsIn } from './facts.ts'
import { countGraph } from './graph-read.ts'

export interface Glance {
  runId: string
  /** Goes up with every write, and down to what came since with every save. */
  changes: number
  saves: number
  /** Keys that went by themselves, which counts as no write. */
  gone: number
  keyspace: Keyspace
  databases: number
}

export async function glance(client: Client): Promise<Glance> {
  const info = await infoOf(client, 'server', 'persistence', 'stats')
  const keyspace = await keyspaceOf(client)
  const highest = Math.max(-1, ...Object.keys(keyspace).map(Number))
  return {
    runId: info['run_id'] ?? '',
    changes: Number(info['rdb_changes_since_last_save']),
    saves: Number(info['rdb_saves']),
    gone: Number(info['expired_keys']) + Number(info['evicted_keys']),
    keyspace,
    databases: Number((await settingOf(client, 'databases')) ?? Math.max(16, highest + 1)),
  }
}

/** Whether certainly nobody wrote between the two. */
function atRest(before: Glance, after: Glance): boolean {
  if (before.runId !== after.runId || before.gone !== after.gone) return false
  return after.saves === before.saves ? after.changes === before.changes : after.saves === before.saves + 1 && after.changes === 0
}

/** Keys of each database, and nodes and edges of each graph. Says nothing where somebody wrote: then nothing can be said. */
export async function requireSame(
  live: Client,
  { before, after, inventory }: { before: Glance; after: Glance; inventory: Inventory },
): Promise<void> {
  if (!atRest(before, after)) return
  const wrong: string[] = []
  const graphs = graphsIn(inventory)
  for (const db of new Set([...Object.keys(before.keyspace), ...Object.keys(after.keyspace)])) {
    // The record of queries of a graph is a key that the module writes when it likes.
    if (graphs.some((graph) => String(graph.db) === db)) continue
    const has = after.keyspace[db]?.keys ?? 0
    const held = Number(inventory[`db ${db}`]?.['keys'] ?? 0)
    if (has !== held) wrong.push(`db ${db} has ${has} keys and the RDB ${held}`)
  }
  wrong.push(...(await graphsThatDiffer(live, after, inventory)))
  if (wrong.length === 0) return
  throw new HoldfastError('INTEGRITY', `the RDB is not what the server holds: ${wrong.join('; ')}`, {
    next: 'nobody wrote meanwhile: look for a fault of the server, and back up again',
    retryable: true,
  })
}

async function graphsThatDiffer(live: Client, after: Glance, inventory: Inventory): Promise<string[]> {
  const wrong: string[] = []
  for (const graph of graphsIn(inventory)) {
    const entry = entryOf(graph)
    const { nodes, edges } = await countGraph(live, graph)
    const held = inventory[entry]
    if (nodes !== held?.['nodes'] || edges !== held?.['edges'])
      wrong.push(`${entry} has ${nodes} nodes and ${edges} edges and the RDB ${held?.['nodes']} and ${held?.['edges']}`)
  }
  // What was written while they were counted is no difference.
  return atRest(after, await glance(live)) ? wrong : []
}
