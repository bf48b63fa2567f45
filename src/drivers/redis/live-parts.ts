/** Single graphs of a point made on the live server from their export, beside those of the same name, then renamed; and its users. */
import { basename } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Inventory, Manifest } from '../../core/records.ts'
import type { ArtifactSource, DriverContext, RestoreChoice, Swapped } from '../driver.ts'
import { setUsers } from './acl.ts'
import { type Confirmed, requireServer } from './confirm.ts'
import { type Client, placeOf, withServer } from './connect.ts'
import { entryOf, type GraphName } from './facts.ts'
import { graphDigest } from './graph-export.ts'
import { importGraph } from './graph-import.ts'
import { countGraph } from './graph-read.ts'
import type { Place } from './live-whole.ts'
import { graphsWanted, usersWanted, type WantedGraph } from './parts.ts'
import { GRAPH_MODULE, modulesOf } from './versions.ts'
import type { Work } from './work.ts'

export function livePartsOf(work: Work, choice: RestoreChoice) {
  const wantedOf = (manifest: Manifest) => graphsWanted(manifest, choice)
  return {
    async check(client: Client, manifest: Manifest): Promise<void> {
      const wanted = wantedOf(manifest)
      if (wanted.length === 0) return
      if (!(GRAPH_MODULE in (await modulesOf(client))))
        throw new HoldfastError('VERSION_UNFIT', 'the live server keeps no graphs', { object: GRAPH_MODULE, next: 'load FalkorDB into it' })
      for (const { into } of wanted) if (choice.mode !== 'replace' && (await isThere(client, into))) throw taken(into)
    },

    /** Each graph beside the one whose name it gets, and compared. */
    async restoreAside(context: DriverContext, manifest: Manifest, source: ArtifactSource): Promise<{ database: string; bytes: number }> {
      const server = await work.server()
      const wanted = wantedOf(manifest)
      await withServer(server, async (client) => {
        for (const graph of wanted) {
          const aside = asideOf(manifest, graph)
          await removeGraph(client, aside)
          context.onProgress({ phase: entryOf(graph.into) })
          await importGraph(client, aside, await source.read(graph.artifact), context.signal)
          await requireEqual(client, manifest.inventory, graph, aside)
        }
      })
      return { database: placeOf(server), bytes: wanted.reduce((sum, { artifact }) => sum + (artifact.plainBytes ?? 0), 0) }
    },

    async swap(context: DriverContext, confirmed: Confirmed, { dir }: Place, source?: ArtifactSource): Promise<Swapped> {
      const server = await work.server()
      const { manifest } = confirmed
      const kept: string[] = []
      const notes: string[] = []
      await withServer(server, async (client) => {
        await requireServer(client, placeOf(server), confirmed)
        for (const graph of wantedOf(manifest)) {
          context.onProgress({ phase: entryOf(graph.into) })
          // A straggler may have begun to make it again.
          if (await isThere(client, asideOf(manifest, graph)))
            await requireEqual(client, manifest.inventory, graph, asideOf(manifest, graph))
          const old = await rename(client, {
            aside: asideOf(manifest, graph),
            into: graph.into,
            old: oldOf(graph, dir),
            replace: choice.mode === 'replace',
          })
          if (old) kept.push(old.name)
        }
        const users = usersWanted(manifest, choice)
        if (users && source) notes.push(await bringUsers(client, source, users))
      })
      notes.push(...kept.map((name) => `once nobody needs the old graph: GRAPH.DELETE ${name}`))
      return { database: placeOf(server), ...(kept.length > 0 && { keptAs: kept.join(', ') }), notes }
    },

    async removeAside(manifest: Manifest): Promise<void> {
      await withServer(await work.server(), async (client) => {
        for (const graph of wantedOf(manifest)) await removeGraph(client, asideOf(manifest, graph))
      })
    },
  }
}

const asideOf = ({ id }: Manifest, { into }: WantedGraph): GraphName => ({ db: into.db, name: `holdfast_restore_${id}_${into.name}` })

/** By the run, so that a second try knows it again and a second restore does not. */
const oldOf = ({ into }: WantedGraph, dir: string): GraphName => ({
  db: into.db,
  name: `${into.name}_pre_restore_${basename(dir).replace(/^restore-/, '')}`,
})

async function inDb<T>(client: Client, db: number, use: () => Promise<T>): Promise<T> {
  await client.select(db)
  return use().finally(() => client.select(0))
}

const isThere = (client: Client, { db, name }: GraphName): Promise<boolean> =>
  inDb(client, db, async () => Number(await client.exists(name)) === 1)

/** With the record of its queries, which the module keeps beside it. */
const removeGraph = (client: Client, { db, name }: GraphName): Promise<unknown> =>
  inDb(client, db, () => client.del(name, `telemetry{${name}}`))

async function requireEqual(client: Client, inventory: Inventory = {}, { graph }: WantedGraph, aside: GraphName): Promise<void> {
  const { nodes, edges, digest } = inventory[entryOf(graph)] ?? {}
  const found = { ...(await countGraph(client, aside)), digest: await graphDigest(client, aside) }
  if (found.nodes === nodes && found.edges === edges && found.digest === digest) return
  await removeGraph(client, aside)
  throw new HoldfastError(
    'VERIFY_FAILED',
    `${entryOf(graph)} is not what the manifest says: expected ${nodes} nodes, ${edges} edges, ${digest}; found ${found.nodes}, ${found.edges}, ${found.digest}`,
    { object: graph.name },
  )
}

interface Renaming {
  aside: GraphName
  into: GraphName
  old: GraphName
  replace: boolean
}

/** In one step for everybody who reads. Gives the name of the old one, where there is one. */
async function rename(client: Client, { aside, into, old, replace }: Renaming): Promise<GraphName | undefined> {
  if (!(await isThere(client, aside))) {
    // A try that was killed had renamed it already.
    if (await isThere(client, into)) return (await isThere(client, old)) ? old : undefined
    throw new HoldfastError('NOT_FOUND', `there is no graph ${aside.name} to swap in`, {
      object: aside.name,
      next: 'start the restore again',
    })
  }
  const present = await isThere(client, into)
  if (present && !replace) throw taken(into)
  await inDb(client, into.db, async () => {
    const steps = client.multi()
    if (present) steps.rename(into.name, old.name)
    steps.renamenx(aside.name, into.name).del(`telemetry{${aside.name}}`)
    const replies = (await steps.exec()) ?? []
    const failed = replies.find(([error]) => error)?.[0]
    if (failed) throw failed
    if (Number(replies[present ? 1 : 0]?.[1]) !== 1) throw taken(into)
  })
  return present ? old : undefined
}

function taken({ name }: GraphName): HoldfastError {
  return new HoldfastError('SOURCE_UNFIT', `the live server has a graph ${name}`, {
    object: name,
    next: 'give mode replace, which keeps the old one under another name, or a new name by into',
  })
}

async function bringUsers(client: Client, source: ArtifactSource, users: Artifact): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of await source.read(users)) chunks.push(Buffer.from(chunk as Buffer))
  const names = await setUsers(client, Buffer.concat(chunks).toString('utf8'))
  return `set the users ${names.join(', ')}, until the server starts again: ACL SAVE or CONFIG REWRITE keeps them`
}
