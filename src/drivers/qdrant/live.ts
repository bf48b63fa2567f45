/** A restore over the live server: which server that is, and everything that refuses it before anything is touched. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { type Asked, requireConfirmed } from '../common/confirm.ts'
import type { LiveRestore, RestoreChoice } from '../driver.ts'
import { removeAsides, restoreAside } from './aside.ts'
import { digestOf } from './canonical.ts'
import { aliasesOf, collectionInfo, collectionNames, findCollection, selected, shardsOf, versionOf } from './collections.ts'
import { entryOf, settingsOf } from './facts.ts'
import { artifactOf, artifactsOf, wantedOf } from './parts.ts'
import { fromExport } from './plan.ts'
import type { Server } from './server.ts'
import { swap } from './swap.ts'
import { requirePromised } from './versions.ts'
import { type Nodes, type Work, withNodes } from './work.ts'

export function createLive(work: Work): LiveRestore {
  return {
    fingerprint: () => withNodes(work, undefined, (nodes) => fingerprintOf(work, nodes)),
    check: (manifest, confirm, choice = {}) =>
      withNodes(work, undefined, async (nodes) => {
        requireChoice(manifest, choice)
        requireConfirmed(manifest, confirm, askedOf(await fingerprintOf(work, nodes)))
        if (!fromExport(choice)) requirePromised(manifest, await versionOf(nodes[0]), nodes[0].url)
        const collections = await collectionNames(nodes[0])
        for (const collection of wantedOf(manifest, choice)) await requireFit(nodes, manifest, choice, { collection, collections })
      }),
    restoreAside: (context, manifest, source, place) => restoreAside(work, { context, manifest, source }, place),
    swap: (manifest, confirm, oid, filling) =>
      withNodes(work, filling?.context.signal, async (nodes) => {
        requireSameServer(await fingerprintOf(work, nodes), confirm)
        return swap(work, nodes, manifest, oid, filling)
      }),
    removeAside: (manifest, place) => removeAsides(work, manifest, place),
  }
}

/** `host:port/peers/digest`: where it is, which servers answer there, and the collections with their settings and aliases. */
async function fingerprintOf(work: Work, nodes: Nodes): Promise<string> {
  const [first] = nodes
  const all = await collectionNames(first)
  const led = await aliasesOf(first)
  const names = selected(work.config, all, led)
  const collections: Record<string, string> = {}
  for (const name of names) collections[name] = settingsOf(await collectionInfo(first, name)).config
  const aliases = led.filter(({ collection_name }) => names.includes(collection_name))
  const digest = digestOf({ collections, aliases }).slice(0, 12)
  return `${new URL(first.url).host}/${await peersOf(nodes, all)}/${digest}`
}

/** A server that stands alone says who it is by its collections only. */
async function peersOf(nodes: Nodes, collections: readonly string[]): Promise<string> {
  const [name] = collections
  const ask = async (node: Server): Promise<string | number> => {
    const cluster = await node.ask('its cluster', (api, init) => api.clusterStatus({}, init))
    if (cluster.status === 'enabled') return cluster.peer_id
    return name === undefined ? '-' : (await shardsOf(node, name)).peer_id
  }
  return (await Promise.all(nodes.map(ask))).map(String).sort().join('+')
}

const askedOf = (fingerprint: string): Asked => ({
  fingerprint,
  target: 'the live server has',
  meaning: 'this is the server to restore to',
})

/** What it holds has changed by then, through this very restore; the server has not. */
function requireSameServer(fingerprint: string, confirm: string): void {
  const [host, peers] = fingerprint.split('/')
  const [wantedHost, wantedPeers] = confirm.split('/')
  if (host === wantedHost && (peers === wantedPeers || wantedPeers === '-')) return
  throw new HoldfastError('CONFIRM_MISMATCH', `${fingerprint} is not the server that was confirmed: ${confirm}`, {
    object: fingerprint,
    details: { fingerprint },
  })
}

function requireChoice(manifest: Manifest, choice: RestoreChoice): void {
  const wanted = wantedOf(manifest, choice)
  if (fromExport(choice)) for (const collection of wanted) artifactOf(manifest, collection, 'export')
  if (choice.into === undefined || !choice.into.startsWith('holdfast_')) return
  throw new HoldfastError('INPUT_INVALID', `${choice.into} is a name as Holdfast gives them to what it removes again`, {
    object: 'into',
    next: 'choose another name',
  })
}

async function requireFit(
  nodes: Nodes,
  manifest: Manifest,
  choice: RestoreChoice,
  { collection, collections }: { collection: string; collections: readonly string[] },
): Promise<void> {
  const [first] = nodes
  const { into, mode } = choice
  const name = into ?? collection
  const there = await findCollection(first, name)
  if (there && (into !== undefined || mode === 'empty'))
    throw new HoldfastError('SOURCE_UNFIT', `there is a collection ${name} already`, {
      object: name,
      next: into === undefined ? 'leave mode out to replace it' : 'choose another name',
    })
  if ((await aliasesOf(first)).some(({ alias_name }) => alias_name === name))
    throw new HoldfastError('SOURCE_UNFIT', `${name} is an alias now, and a collection of that name cannot be made`, {
      object: name,
      next: 'restore it into another name',
    })
  if (there && settingsOf(there).shape !== manifest.inventory?.[entryOf(collection)]?.['shape'])
    throw new HoldfastError('SOURCE_UNFIT', `${collection} has other vectors now, or another number of shards, than in ${manifest.id}`, {
      object: collection,
      next: 'restore it into another name, or delete it first',
    })
  if (!fromExport(choice)) await requirePlaces(nodes, manifest, collection, collections.includes(collection) && into === undefined)
}

/** On a cluster each snapshot goes to the node that made it, and there to the shards that it has. */
async function requirePlaces(nodes: Nodes, manifest: Manifest, collection: string, there: boolean): Promise<void> {
  const snapshots = artifactsOf(manifest, collection, 'snapshot')
  if (nodes.length === 1 && snapshots.length <= 1) return
  const places = there ? await Promise.all(nodes.map((node) => shardsOf(node, collection))) : []
  const fits = snapshots.every(({ peer, shards }) =>
    places.some(
      (place) =>
        String(place.peer_id) === peer &&
        digestOf(place.local_shards.map(({ shard_id }) => shard_id).sort((a, b) => a - b)) === digestOf(JSON.parse(String(shards))),
    ),
  )
  if (fits && snapshots.length === nodes.length) return
  throw new HoldfastError('SOURCE_UNFIT', `the shards of ${collection} are not on the nodes on which they were in ${manifest.id}`, {
    object: collection,
    next: 'restore its export, with mode upsert',
  })
}
