/** What a Vault says of itself: its seal, its cluster, its engines and ways to log in, and how many keys there are. */
import type { Inventory, Manifest } from '../../core/records.ts'
import { HoldfastError } from '../../core/errors.ts'
import { createUnorderedDigest } from '../common/unordered-digest.ts'
import { isStatus, type Vault } from './server.ts'

export interface SealStatus {
  type: string
  initialized: boolean
  sealed: boolean
  t: number
  n: number
  version: string
  storage_type?: string
  cluster_name?: string
  cluster_id?: string
}

export const sealStatus = async (vault: Vault): Promise<SealStatus> =>
  (await vault.ask('GET', 'sys/seal-status')).body as unknown as SealStatus

/** Throws SOURCE_UNFIT where it is sealed: it does not say who it is then. */
export async function clusterOf(vault: Vault): Promise<string> {
  const { sealed, initialized, cluster_id } = await sealStatus(vault)
  if (cluster_id !== undefined) return cluster_id
  throw new HoldfastError(
    'SOURCE_UNFIT',
    `${vault.url} is ${sealed && initialized ? 'sealed' : 'not initialised'}, and does not say which cluster it is`,
    {
      object: vault.url,
      next: initialized ? 'unseal it' : 'initialise and unseal it',
    },
  )
}

export const clusterIn = ({ inventory = {} }: Pick<Manifest, 'inventory'>): string => String(inventory['cluster']?.['id'] ?? '')

export interface Leader {
  leader_cluster_address?: string
  raft_applied_index?: number
}
export const leaderOf = async (vault: Vault): Promise<Leader> => (await vault.ask('GET', 'sys/leader')).body as Leader

interface Mount {
  type: string
  options?: Record<string, string> | null
}

/** By name, what may be seen; `hidden` is what the token may not list. */
export async function contentsOf(vault: Vault, onProgress: () => void): Promise<{ inventory: Inventory; hidden: string[] }> {
  const inventory: Inventory = {}
  const hidden: string[] = []
  const mounts = await mountsOf(vault, 'mounts')
  const auth = await mountsOf(vault, 'auth')
  if (!mounts) hidden.push('sys/mounts')
  if (!auth) hidden.push('sys/auth')
  if (mounts) inventory['mounts'] = { count: Object.keys(mounts).length, names: Object.keys(mounts).sort().join(' ') }
  if (auth) inventory['auth methods'] = { count: Object.keys(auth).length, names: Object.keys(auth).sort().join(' ') }
  for (const [path, { type, options }] of Object.entries(mounts ?? {})) {
    inventory[`mount ${path}`] = { type, ...(options?.['version'] !== undefined && { version: options['version'] }) }
    if (type !== 'kv' || options?.['version'] !== '2') continue
    const keys = await keysOf(vault, path, onProgress)
    if (keys) inventory[`keys of ${path}`] = keys
    else hidden.push(`${path}metadata/`)
  }
  for (const [path, { type }] of Object.entries(auth ?? {})) inventory[`auth ${path}`] = { type }
  return { inventory, hidden }
}

async function mountsOf(vault: Vault, what: 'mounts' | 'auth'): Promise<Record<string, Mount> | undefined> {
  const { status, body } = await vault.ask('GET', `sys/${what}`, { accept: [403] })
  return status === 403 ? undefined : (body['data'] as Record<string, Mount>)
}

/** Names go into the digest and nowhere else. Undefined where any folder may not be listed. */
async function keysOf(vault: Vault, mount: string, onProgress: () => void): Promise<{ keys: number; digest: string } | undefined> {
  const digest = createUnorderedDigest()
  let keys = 0
  const folders = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    onProgress()
    const names = await listOf(vault, `${mount}metadata/${folder}`)
    if (!names) return undefined
    for (const name of names) {
      if (name.endsWith('/')) {
        folders.push(folder + name)
        continue
      }
      keys += 1
      digest.add(folder + name)
    }
  }
  return { keys, digest: digest.hex() }
}

async function listOf(vault: Vault, path: string): Promise<string[] | undefined> {
  try {
    const { body } = await vault.ask('GET', `${encodePath(path)}?list=true`)
    return (body['data'] as { keys: string[] }).keys
  } catch (error) {
    if (isStatus(error, 404)) return []
    if (isStatus(error, 403)) return undefined
    throw error
  }
}

export const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/')
