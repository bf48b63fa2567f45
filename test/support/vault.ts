/** Vaults, initialised and filled, and what is asked of them in tests. */
import type { SourceDriver } from '../../src/drivers/driver.ts'
import { type VaultSourceConfig, vaultSource } from '../../src/drivers/vault/config.ts'
import { createDriver } from '../../src/drivers/vault/index.ts'
import { startVaultStandIn, type VaultStandIn } from './stand-ins/vault/start.ts'

export interface Filled extends VaultStandIn {
  keys: string[]
  rootToken: string
}

export interface Reply {
  status: number
  body: { data?: Record<string, unknown>; errors?: string[]; [field: string]: unknown }
}

/** One request; a status that is not good is a reply as any other. */
export async function ask(url: string, token: string, method: string, path: string, body?: object | Buffer): Promise<Reply> {
  const given = body === undefined ? {} : { body: Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body) }
  const reply = await fetch(`${url}/v1/${path}`, { method, headers: { 'x-vault-token': token }, ...given })
  const text = await reply.text()
  return { status: reply.status, body: text.startsWith('{') ? JSON.parse(text) : {} }
}

export async function unseal(url: string, keys: readonly string[]): Promise<Reply> {
  let last: Reply = { status: 0, body: {} }
  for (const key of keys) last = await ask(url, '', 'PUT', 'sys/unseal', { key })
  return last
}

/** Initialised with three shares, of which two are needed, and unsealed. */
export async function openVault(dir?: string): Promise<Filled> {
  const server = await startVaultStandIn(dir === undefined ? {} : { dir })
  const { body } = await ask(server.url, '', 'PUT', 'sys/init', { secret_shares: 3, secret_threshold: 2 })
  const [keys, rootToken] = [(body['keys_base64'] as string[]).slice(0, 2), String(body['root_token'])]
  await unseal(server.url, keys)
  return { ...server, keys, rootToken }
}

/** Two KV engines, and a way to log in. */
export async function fillVault({ url, rootToken }: Filled): Promise<void> {
  for (const mount of ['secret', 'team/apps'])
    await ask(url, rootToken, 'POST', `sys/mounts/${mount}`, { type: 'kv', options: { version: '2' } })
  await ask(url, rootToken, 'POST', 'sys/auth/approle', { type: 'approle' })
  for (const name of ['db/orders', 'db/users', 'api'])
    await ask(url, rootToken, 'POST', `secret/data/${name}`, { data: { password: `of ${name}` } })
  await ask(url, rootToken, 'POST', 'team/apps/data/web', { data: { token: 'of web' } })
}

export async function snapshotOf({ url, rootToken }: Filled): Promise<Buffer> {
  const reply = await fetch(`${url}/v1/sys/storage/raft/snapshot`, { headers: { 'x-vault-token': rootToken } })
  return Buffer.from(await reply.arrayBuffer())
}

/** A policy as the README of the driver has it, and a token that has it. */
export async function backupToken({ url, rootToken }: Filled, more = ''): Promise<string> {
  const rule = (path: string, list: string) => `path "${path}" { capabilities = [${list}] }\n`
  const policy = [
    rule('sys/storage/raft/snapshot', '"read", "create", "update"'),
    rule('sys/storage/raft/snapshot-force', '"create", "update", "sudo"'),
    rule('sys/mounts', '"read"'),
    rule('sys/auth', '"read"'),
    rule('secret/metadata/*', '"list"'),
    rule('team/apps/metadata/*', '"list"'),
  ]
  await ask(url, rootToken, 'PUT', 'sys/policies/acl/holdfast', { policy: policy.join('') + more })
  const { body } = await ask(url, rootToken, 'POST', 'auth/token/create', { policies: ['holdfast'] })
  return String((body['auth'] as { client_token: string }).client_token)
}

/** Secrets are given as they are, where a configuration has references. */
export function vaultConfig(url: string, token: string, more: Record<string, unknown> = {}): VaultSourceConfig {
  return vaultSource.parse({ driver: 'vault', repository: 'hot', url, token, ...more })
}

export const scratchFor = (source: Filled, scratch: Filled) => ({
  url: scratch.url,
  token: scratch.rootToken,
  restoredToken: source.rootToken,
  unsealKeys: source.keys,
})

export const vaultDriver = (config: VaultSourceConfig): Promise<SourceDriver> =>
  createDriver(config, { source: 'secrets', secret: async (reference) => reference })

/** Every secret with its path, and the engines. */
export async function contentsOfVault({ url, rootToken }: Pick<Filled, 'url' | 'rootToken'>): Promise<string> {
  const mounts = (await ask(url, rootToken, 'GET', 'sys/mounts')).body.data ?? {}
  const auth = (await ask(url, rootToken, 'GET', 'sys/auth')).body.data ?? {}
  const lines = [`mounts ${Object.keys(mounts).sort()}`, `auth ${Object.keys(auth).sort()}`]
  for (const [mount, { type }] of Object.entries(mounts as Record<string, { type: string }>)) {
    if (type !== 'kv') continue
    const folders = ['']
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const { body } = await ask(url, rootToken, 'GET', `${mount}metadata/${folder}?list=true`)
      for (const name of (body.data?.['keys'] ?? []) as string[]) {
        if (name.endsWith('/')) folders.push(folder + name)
        else
          lines.push(
            `${mount}${folder}${name} ${JSON.stringify((await ask(url, rootToken, 'GET', `${mount}data/${folder}${name}`)).body.data)}`,
          )
      }
    }
  }
  return lines.sort().join('\n')
}

export const isSealed = async (url: string): Promise<boolean> => (await ask(url, '', 'GET', 'sys/seal-status')).body['sealed'] === true
