/** Collections, payload indexes, aliases and what the server says of itself. */
import type { Collection, Params } from './collection.ts'
import { badInput, notFound } from './errors.ts'
import { type Routes, Text } from './routing.ts'
import type { Storage } from './storage.ts'

export const VERSION = '1.19.0'

interface AliasAction {
  create_alias?: { collection_name: string; alias_name: string }
  delete_alias?: { alias_name: string }
  rename_alias?: { old_alias_name: string; new_alias_name: string }
}
type Sections = Record<string, Record<string, unknown> | undefined>
/** What PATCH changes; of the sections of a new collection those that are objects of their own. */
interface Given {
  [section: string]: unknown
}

const DEFAULTS: Sections = {
  hnsw_config: { m: 16, ef_construct: 100, full_scan_threshold: 10_000, max_indexing_threads: 0, on_disk: false },
  optimizer_config: {
    deleted_threshold: 0.2,
    vacuum_min_vector_number: 1000,
    default_segment_number: 0,
    max_segment_size: null,
    memmap_threshold: null,
    indexing_threshold: 10_000,
    flush_interval_sec: 5,
    max_optimization_threads: null,
  },
  wal_config: { wal_capacity_mb: 32, wal_segments_ahead: 0, wal_retain_closed: 1 },
}
/** Of a request and of a configuration the sections have different names. */
const SECTIONS = { hnsw_config: 'hnsw_config', optimizers_config: 'optimizer_config', wal_config: 'wal_config' } as const
const WHOLE = ['quantization_config', 'strict_mode_config', 'metadata'] as const
const PARAMS = ['sharding_method', 'on_disk_payload', 'replication_factor', 'write_consistency_factor', 'read_fan_out_factor']

export function collectionRoutes(storage: Storage): Routes {
  return {
    'GET /': () => new Text(JSON.stringify({ title: 'qdrant - vector search engine', version: VERSION }), 'application/json'),
    'GET /healthz': () => new Text('healthz check passed'),
    'GET /livez': () => new Text('livez check passed'),
    'GET /readyz': () => new Text('all shards are ready'),
    'GET /cluster': () => ({ status: 'disabled' }),
    'GET /collections': () => ({ collections: [...storage.collections.keys()].map((name) => ({ name })) }),
    'GET /collections/{collection}': ({ params }) => infoOf(storage.collection(params['collection'] ?? '')),
    'GET /collections/{collection}/exists': ({ params }) => {
      const name = params['collection'] ?? ''
      return { exists: storage.collections.has(storage.aliases.get(name) ?? name) }
    },
    'PUT /collections/{collection}': async ({ params, body }) => {
      storage.create(params['collection'] ?? '', configOf(await body<Given>()))
      return true
    },
    'PATCH /collections/{collection}': async ({ params, body }) => {
      update(storage.collection(params['collection'] ?? ''), await body<Given>())
      return true
    },
    'DELETE /collections/{collection}': ({ params }) => storage.delete(params['collection'] ?? ''),
    'GET /collections/{collection}/cluster': ({ params }) => ({
      peer_id: storage.peerId,
      shard_count: 1,
      local_shards: [{ shard_id: 0, points_count: storage.collection(params['collection'] ?? '').size, state: 'Active' }],
      remote_shards: [],
      shard_transfers: [],
    }),
    'PUT /collections/{collection}/index': async ({ params, body, query }) => {
      const { field_name, field_schema } = await body<{ field_name: string; field_schema: string | { type: string } }>()
      const index = typeof field_schema === 'string' ? { data_type: field_schema } : { data_type: field_schema.type, params: field_schema }
      return updated(storage.collection(params['collection'] ?? '').setIndex(field_name, index), query)
    },
    'DELETE /collections/{collection}/index/{field}': ({ params, query }) =>
      updated(storage.collection(params['collection'] ?? '').setIndex(params['field'] ?? '', undefined), query),
    'GET /aliases': () => ({ aliases: aliasesOf(storage) }),
    'GET /collections/{collection}/aliases': ({ params }) => {
      storage.collection(params['collection'] ?? '')
      return { aliases: aliasesOf(storage).filter(({ collection_name }) => collection_name === params['collection']) }
    },
    'POST /collections/aliases': async ({ body }) => {
      const { actions } = await body<{ actions: AliasAction[] }>()
      storage.changeAliases((aliases) => {
        for (const action of actions) changeAlias(storage, aliases, action)
      })
      return true
    },
  }
}

export const updated = (operation_id: number, query: URLSearchParams) => ({
  operation_id,
  status: query.get('wait') === 'true' ? 'completed' : 'acknowledged',
})

function configOf(given: Given) {
  const params: Params = {
    shard_number: 1,
    replication_factor: 1,
    write_consistency_factor: 1,
    on_disk_payload: true,
    ...pick(given, PARAMS),
  }
  if (given['shard_number']) params.shard_number = given['shard_number'] as number
  if (given['vectors']) params.vectors = given['vectors'] as NonNullable<Params['vectors']>
  if (given['sparse_vectors']) params.sparse_vectors = given['sparse_vectors'] as Record<string, unknown>
  const sections = Object.entries(SECTIONS).map(([from, to]) => [to, { ...DEFAULTS[to], ...(given[from] as object) }])
  return { params, ...Object.fromEntries(sections), quantization_config: null, ...pick(given, WHOLE) }
}

function update(collection: Collection, given: Given): void {
  const { config } = collection.state
  Object.assign(config.params, given['params'])
  for (const [from, to] of Object.entries(SECTIONS)) Object.assign(config[to] as object, given[from])
  Object.assign(config, pick(given, WHOLE))
  for (const section of ['vectors', 'sparse_vectors'] as const) merge(config.params[section] as Sections, given[section] as Sections)
  collection.save()
}

/** Named vectors change one by one; the unnamed one goes by the name of nothing. */
function merge(present: Sections | undefined, given: Sections | undefined): void {
  for (const [name, change] of Object.entries(given ?? {})) {
    const target = name === '' ? present : present?.[name]
    if (!target) throw badInput(`Not existing vector name error: ${name}`)
    Object.assign(target, change)
  }
}

function pick(given: Given, names: readonly string[]): Given {
  return Object.fromEntries(names.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]))
}

function infoOf(collection: Collection) {
  return {
    status: 'green',
    optimizer_status: 'ok',
    indexed_vectors_count: 0,
    points_count: collection.size,
    segments_count: 2,
    config: collection.state.config,
    payload_schema: collection.payloadSchema,
    update_queue: { length: 0 },
  }
}

const aliasesOf = ({ aliases }: Storage) => [...aliases].map(([alias_name, collection_name]) => ({ alias_name, collection_name }))

function changeAlias(storage: Storage, aliases: Map<string, string>, action: AliasAction): void {
  const { create_alias: create, delete_alias: remove, rename_alias: rename } = action
  if (create) {
    if (!storage.collections.has(create.collection_name)) throw notFound(`Collection \`${create.collection_name}\` doesn't exist!`)
    if (storage.collections.has(create.alias_name)) throw badInput(`Collection \`${create.alias_name}\` already exists!`)
    aliases.set(create.alias_name, create.collection_name)
  }
  if (remove) aliases.delete(remove.alias_name)
  if (rename) {
    const target = aliases.get(rename.old_alias_name)
    if (target === undefined) throw notFound(`Alias ${rename.old_alias_name} does not exists!`)
    aliases.delete(rename.old_alias_name)
    aliases.set(rename.new_alias_name, target)
  }
}
