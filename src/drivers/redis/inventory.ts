/** What a scratch server holds, as facts that a later restore of the same RDB must show again, whenever that is. */
import type { Inventory } from '../../core/records.ts'
import { type Client, infoOf, keyspaceOf } from './connect.ts'
import { digestOf, entryOf, type GraphName } from './facts.ts'
import { graphDigest } from './graph-export.ts'
import { countGraph } from './graph-read.ts'

export interface Look {
  depth: 'counts' | 'digests'
  signal?: AbortSignal
  onProgress?(phase: string): void
}

type Facts = Record<string, string | number>

export async function inventoryOf(client: Client, look: Look): Promise<Inventory> {
  const inventory: Inventory = {}
  const graphs: GraphName[] = []
  for (const [db, { keys, expires }] of Object.entries(await keyspaceOf(client))) {
    const { counts, graphs: names } = await countTypes(client, Number(db), look)
    inventory[`db ${db}`] = { keys, expires, ...counts }
    graphs.push(...names.map((name) => ({ db: Number(db), name })))
  }
  inventory['functions'] = await functionsOf(client, look)
  if (look.depth === 'digests') inventory['content'] = await contentOf(client)
  for (const graph of graphs) {
    const counts = await countGraph(client, graph)
    const digest = look.depth === 'digests' && (await graphDigest(client, graph, look.signal))
    inventory[entryOf(graph)] = { db: graph.db, ...counts, ...(digest && { digest }) }
    look.onProgress?.(entryOf(graph))
  }
  return inventory
}

/**
 * One step over the keys, counted by the server. Keys with a time are left out: once it has come they are no more to be
 * seen, though they are there.
 */
const STEP = `
local reply = redis.call('SCAN', ARGV[1], 'COUNT', ARGV[2])
local counts, graphs = {}, {}
local function add(what, many) counts[what] = (counts[what] or 0) + many end
for _, key in ipairs(reply[2]) do
  if redis.call('PTTL', key) == -1 then
    local kind = redis.call('TYPE', key).ok
    add(kind, 1)
    if kind == 'graphdata' then graphs[#graphs + 1] = key end
    if kind == 'stream' then
      add('stream entries', redis.call('XLEN', key))
      for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
        add('stream groups', 1)
        for i = 1, #group, 2 do if group[i] == 'pending' then add('pending', group[i + 1]) end end
      end
    end
  end
end
local flat = {}
for what, many in pairs(counts) do flat[#flat + 1] = what; flat[#flat + 1] = tostring(many) end
return {reply[1], flat, graphs}`

async function countTypes(client: Client, db: number, { signal, onProgress }: Look): Promise<{ counts: Facts; graphs: string[] }> {
  await client.select(db)
  const counts: Record<string, number> = {}
  const graphs: string[] = []
  let cursor = '0'
  do {
    signal?.throwIfAborted()
    const [next, flat, names] = (await client.eval(STEP, 0, cursor, '5000')) as [string, string[], string[]]
    for (let index = 0; index < flat.length; index += 2) {
      const what = String(flat[index])
      counts[what] = (counts[what] ?? 0) + Number(flat[index + 1])
    }
    graphs.push(...names)
    cursor = next
    onProgress?.(`db ${db}`)
  } while (cursor !== '0')
  await client.select(0)
  return { counts: Object.fromEntries(Object.entries(counts).sort()), graphs: graphs.sort() }
}

async function functionsOf(client: Client, { depth }: Look): Promise<Facts> {
  // What a library defines follows from its code; the order in which its functions are listed does not.
  const libraries = ((await client.call('FUNCTION', 'LIST', 'WITHCODE')) as unknown[][])
    .map((library) => JSON.stringify(['library_name', 'library_code'].map((field) => library[library.indexOf(field) + 1])))
    .sort()
  return { libraries: libraries.length, ...(depth === 'digests' && { digest: digestOf(libraries) }) }
}

/** Of every key with its type and whether it ends, but not of graphs, streams' groups and the times themselves. */
async function contentOf(client: Client): Promise<Facts> {
  const { redis_version: engine = '' } = await infoOf(client, 'server')
  return { digest: String(await client.call('DEBUG', 'DIGEST')), engine }
}
