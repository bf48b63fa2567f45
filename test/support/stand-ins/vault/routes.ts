/** The paths that a backup meets, with OpenBao's replies. A handler gives the body, or nothing for 204. */
import { capabilitiesOf, parsePolicy } from './policies.ts'
import type { Barrier, Contents, Mount } from './barrier.ts'
import { VaultError } from './errors.ts'
import { randomBytes } from 'node:crypto'

export const VERSION = '2.6.2'

export interface Asked {
  method: string
  /** Without /v1/. */
  path: string
  token: string
  json<T>(): T
}
type Handler = (asked: Asked, match: string[]) => object | undefined

/** Answered without a token, and some of them while sealed. */
export function openRoutes(barrier: Barrier, address: string): [RegExp, Handler][] {
  return [
    [/^GET sys\/init$/, () => ({ initialized: barrier.initialized })],
    [/^(?:PUT|POST) sys\/init$/, ({ json }) => initialize(barrier, json())],
    [/^GET sys\/seal-status$/, () => sealStatus(barrier)],
    [/^(?:PUT|POST) sys\/unseal$/, ({ json }) => unseal(barrier, json<{ key: string }>().key)],
    [/^GET sys\/leader$/, () => leader(barrier, address)],
  ]
}

export function sealStatus(barrier: Barrier) {
  const { stored, contents, progress, initialized } = barrier
  return {
    type: 'shamir',
    initialized,
    sealed: !contents,
    t: stored?.threshold ?? 0,
    n: stored?.shares ?? 0,
    progress: progress.length,
    nonce: '',
    version: VERSION,
    build_date: '2026-03-30T00:00:00Z',
    migration: false,
    recovery_seal: false,
    storage_type: 'raft',
    ...(contents && { cluster_name: contents.clusterName, cluster_id: contents.clusterId }),
  }
}

function initialize(barrier: Barrier, { secret_shares = 0, secret_threshold = 0 }: { secret_shares?: number; secret_threshold?: number }) {
  if (barrier.initialized) throw new VaultError(400, 'Vault is already initialized')
  if (secret_shares < 1 || secret_threshold < 1 || secret_threshold > secret_shares) throw new VaultError(400, 'invalid seal configuration')
  const { keys, rootToken } = barrier.initialize(secret_shares, secret_threshold)
  return { keys: keys.map((key) => Buffer.from(key, 'base64').toString('hex')), keys_base64: keys, root_token: rootToken }
}

function unseal(barrier: Barrier, key: string) {
  if (!barrier.initialized) throw new VaultError(400, 'Vault is not initialized')
  try {
    if (!barrier.contents) barrier.unseal(/^[0-9a-f]+$/.test(key) ? Buffer.from(key, 'hex').toString('base64') : key)
  } catch (error) {
    throw new VaultError(400, `Vault: unseal failed: ${(error as Error).message}`)
  }
  return sealStatus(barrier)
}

function leader({ raft, contents }: Barrier, address: string) {
  if (!contents) throw new VaultError(503, 'Vault is sealed')
  const { index } = raft
  const at = { leader_address: `http://${address}`, leader_cluster_address: clusterAddress(address) }
  return { ha_enabled: true, is_self: true, ...at, raft_committed_index: index, raft_applied_index: index }
}

/** One port up, as Vault has it. */
const clusterAddress = (address: string) => `https://${raftAddress(address)}`
export function raftAddress(address: string): string {
  const [host = '', port] = address.split(':')
  return `${host}:${Number(port) + 1}`
}

/** With a token that may; `save` writes what was changed. */
export function tokenRoutes(barrier: Barrier): [RegExp, Handler][] {
  const all = (): Contents => barrier.contents as Contents
  const changed = (): undefined => barrier.save() as undefined
  const put =
    (where: 'mounts' | 'auth'): Handler =>
    ({ json }, [, path = '']) => {
      const { type, options = null, description = '' } = json<Partial<Mount> & { type: string }>()
      if (all()[where][`${path}/`]) throw new VaultError(400, `path is already in use at ${path}/`)
      all()[where][`${path}/`] = { type, options, description }
      return changed()
    }
  const drop =
    (where: 'mounts' | 'auth'): Handler =>
    (_, [, path = '']) => {
      delete all()[where][`${path}/`]
      if (where === 'mounts') delete all().secrets[`${path}/`]
      return changed()
    }
  return [
    [/^GET sys\/mounts$/, () => ({ ...all().mounts, data: all().mounts })],
    [/^GET sys\/auth$/, () => ({ ...all().auth, data: all().auth })],
    [/^(?:PUT|POST) sys\/mounts\/(.+)$/, put('mounts')],
    [/^(?:PUT|POST) sys\/auth\/(.+)$/, put('auth')],
    [/^DELETE sys\/mounts\/(.+)$/, drop('mounts')],
    [/^DELETE sys\/auth\/(.+)$/, drop('auth')],
    [/^(?:PUT|POST) sys\/seal$/, () => barrier.seal() as undefined],
    [
      /^(?:PUT|POST) sys\/policies\/acl\/(.+)$/,
      ({ json }, [, name = '']) => {
        all().policies[name] = parsePolicy(json<{ policy: string }>().policy)
        return changed()
      },
    ],
    [/^(?:PUT|POST) auth\/token\/create$/, ({ json }) => createToken(barrier, json<{ policies?: string[] }>().policies ?? ['root'])],
    [/^GET auth\/token\/lookup-self$/, ({ token }) => ({ data: { id: token, policies: all().tokens[token], ttl: 0, type: 'service' } })],
    [
      /^(?:PUT|POST) sys\/capabilities-self$/,
      ({ token, json }) => {
        const names = all().tokens[token] ?? []
        const found = json<{ paths: string[] }>().paths.map((path) => [path, capabilitiesOf(all().policies, names, path)] as const)
        return { ...Object.fromEntries(found), data: Object.fromEntries(found) }
      },
    ],
  ]
}

function createToken(barrier: Barrier, policies: string[]) {
  const client_token = `s.${randomBytes(12).toString('hex')}`
  ;(barrier.contents as Contents).tokens[client_token] = policies
  barrier.save()
  return { auth: { client_token, policies } }
}
