/** Vaults, initialised and filled, and what is asked of them in tests. */
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
