/** Collections, aliases and snapshots of a server, as far as a backup looks at them. */
import type { Schemas } from '@qdrant/js-client-rest'
import type { QdrantSourceConfig } from './config.ts'
import { isStatus } from './errors.ts'
import type { Server } from './server.ts'

export type CollectionInfo = Schemas['CollectionInfo']
export type SnapshotDescription = Schemas['SnapshotDescription']
export interface Alias {
  alias_name: string
  collection_name: string
}

/** Collections that Holdfast makes for itself while it works; no part of any point. */
export const OWN = 'holdfast_'

const expression = (pattern: string): RegExp => new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`, 's')

/** Collections that the source names, by their own names or by aliases: what an alias leads to now is what is meant. */
export function selected(
  { collections }: Pick<QdrantSourceConfig, 'collections'>,
  names: readonly string[],
  aliases: readonly Alias[],
): string[] {
  const matches = (patterns: readonly string[], calls: readonly string[]) =>
    patterns.some((one) => calls.some((call) => expression(one).test(call)))
  return names.filter((name) => {
    const calls = [name, ...aliases.filter(({ collection_name }) => collection_name === name).map(({ alias_name }) => alias_name)]
    return !name.startsWith(OWN) && matches(collections.include, calls) && !matches(collections.exclude, calls)
  })
}

export async function versionOf(server: Server): Promise<string> {
  const { version } = await server.ask('its version', async (api, init) => ({ data: { result: (await api.root({}, init)).data } }))
  return version
}

export async function collectionNames(server: Server): Promise<string[]> {
  const { collections } = await server.ask('its collections', (api, init) => api.getCollections({}, init))
  return collections.map(({ name }) => name).sort()
}

/** Without those that Holdfast makes for itself. */
export async function aliasesOf(server: Server): Promise<Alias[]> {
  return (await allAliases(server)).filter(({ alias_name }) => !alias_name.startsWith(OWN))
}

export async function allAliases(server: Server): Promise<Alias[]> {
  const { aliases } = await server.ask('its aliases', (api, init) => api.getCollectionsAliases({}, init))
  return aliases
    .map(({ alias_name, collection_name }) => ({ alias_name, collection_name }))
    .sort((a, b) => (a.alias_name < b.alias_name ? -1 : 1))
}

/** Undefined where there is no such collection. An alias is none. */
export async function findCollection(server: Server, collection_name: string): Promise<CollectionInfo | undefined> {
  if (!(await collectionNames(server)).includes(collection_name)) return undefined
  return absent(collectionInfo(server, collection_name))
}

export const collectionInfo = (server: Server, collection_name: string): Promise<CollectionInfo> =>
  server.ask(`the collection ${collection_name}`, (api, init) => api.getCollection({ collection_name }, init))

export async function exactCount(server: Server, collection_name: string, filter?: Record<string, unknown>): Promise<number> {
  const { count } = await server.ask(
    `the points of ${collection_name}`,
    (api, init) => api.countPoints({ collection_name, exact: true, ...(filter && { filter }) }, init),
    { timeout: 'snapshot' },
  )
  return count
}

/** Which server this is, and which shards of the collection it has. */
export const shardsOf = (server: Server, collection_name: string): Promise<Schemas['CollectionClusterInfo']> =>
  server.ask(`the shards of ${collection_name}`, (api, init) => api.collectionClusterInfo({ collection_name }, init))

/** No error where there is none. */
export async function deleteCollection(server: Server, collection_name: string): Promise<void> {
  await server.ask(`the removal of ${collection_name}`, (api, init) => api.deleteCollection({ collection_name }, init), {
    timeout: 'snapshot',
  })
}

/** Empty where the collection has gone: its snapshots are out of reach then. */
export async function listSnapshots(server: Server, collection_name: string): Promise<SnapshotDescription[]> {
  const found = await absent(server.ask(`the snapshots of ${collection_name}`, (api, init) => api.listSnapshots({ collection_name }, init)))
  return found ?? []
}

/** No error where there is none. */
export async function deleteSnapshot(server: Server, collection_name: string, snapshot_name: string): Promise<void> {
  await absent(
    server.ask(
      `the removal of the snapshot ${snapshot_name}`,
      (api, init) => api.deleteSnapshot({ collection_name, snapshot_name }, init),
      { timeout: 'snapshot' },
    ),
  )
}

export async function changeAliases(server: Server, actions: Schemas['AliasOperations'][]): Promise<void> {
  if (actions.length > 0) await server.ask('the change of aliases', (api, init) => api.updateAliases({ actions }, init))
}

export async function absent<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch((error: unknown) => {
    if (isStatus(error, 404)) return undefined
    throw error
  })
}
