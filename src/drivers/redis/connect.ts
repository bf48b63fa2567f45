/** Connections to a Redis server; every failure has a code, names the place and never the password. */
import { readFile } from 'node:fs/promises'
import { Redis, type RedisOptions } from 'ioredis'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { RedisSourceConfig } from './config.ts'

export type Client = Redis

/** Where the server is and who asks; made anew for each call, since it holds the password. */
export interface Server {
  host: string
  port: number
  username?: string
  password?: string
  tls?: { caFile?: string | undefined; certFile?: string | undefined; keyFile?: string | undefined }
}

export async function serverOf(config: RedisSourceConfig, secret: (reference: string) => Promise<string>): Promise<Server> {
  const url = parseUrl(await secret(config.url))
  const username = config.username ? await secret(config.username) : decodeURIComponent(url.username)
  const password = config.password ? await secret(config.password) : decodeURIComponent(url.password)
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port || 6379),
    ...(username && { username }),
    ...(password && { password }),
    ...(url.protocol === 'rediss:' && { tls: config.tls }),
  }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && ['redis:', 'rediss:'].includes(url.protocol) && url.hostname !== '' && ['', '/'].includes(url.pathname)) return url
  throw new HoldfastError('CONFIG_INVALID', 'url of the source is not redis://host:port or rediss://host:port', {
    object: 'url',
    next: 'write redis://host:6379; all databases of the server are backed up, so none is named',
  })
}

export const placeOf = ({ host, port }: Server): string => `${host}:${port}`

/** Runs `use` with a connection that is ended afterwards in any case. */
export async function withServer<T>(server: Server, use: (client: Client) => Promise<T>): Promise<T> {
  const { tls, ...rest } = server
  return withClient({ ...rest, ...(tls && { tls: await tlsOf(server) }) }, placeOf(server), use)
}

/** The same over a socket in the file system. */
export async function withSocket<T>(path: string, password: string | undefined, use: (client: Client) => Promise<T>): Promise<T> {
  return withClient({ path, ...(password !== undefined && { password }) }, path, use)
}

async function withClient<T>(options: RedisOptions, place: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Redis({
    ...options,
    // Numbers of 64 bits stay whole.
    stringNumbers: true,
    lazyConnect: true,
    connectTimeout: 15_000,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  let lost: unknown
  client.on('error', (error: unknown) => {
    lost ??= error
  })
  try {
    await client.connect()
    await client.ping()
    return await use(client)
  } catch (error) {
    throw explained(place, error, lost)
  } finally {
    client.disconnect()
  }
}

async function tlsOf({ host, tls = {} }: Server): Promise<NonNullable<RedisOptions['tls']>> {
  const file = async (path: string | undefined) => (path ? await readFile(path) : undefined)
  const [ca, cert, key] = await Promise.all([file(tls.caFile), file(tls.certFile), file(tls.keyFile)])
  const named = /^[\d.]+$|:/.test(host) ? {} : { servername: host }
  return { ...named, ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
}

const REFUSED = /^(WRONGPASS|NOAUTH|ERR invalid password|ERR AUTH|ERR Client sent AUTH)/
const GONE =
  /Connection is closed|ECONN|ENOENT|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|max retries|certificate|SSL|TLS|^LOADING|^MASTERDOWN/i

/** What went wrong, said by its first cause: a client that was refused only says that its connection is closed. */
function explained(place: string, error: unknown, lost: unknown): unknown {
  if (error instanceof HoldfastError) return error
  const cause = /Connection is closed|max retries/i.test(messageOf(error)) && lost !== undefined ? lost : error
  const message = messageOf(cause)
  if (REFUSED.test(message))
    return new HoldfastError('SOURCE_UNREACHABLE', `${place} refuses user or password: ${message}`, {
      object: place,
      cause,
      retryable: false,
      next: 'check username and password of the source',
    })
  if (/^NOPERM/.test(message))
    return new HoldfastError('SOURCE_UNFIT', `${place}: ${message}`, {
      object: place,
      cause,
      next: 'allow the command to the user of the source: ACL SETUSER <user> +<command>; the README of the driver lists them',
    })
  if (GONE.test(message) || GONE.test(String((cause as { code?: string }).code ?? '')))
    return new HoldfastError('SOURCE_UNREACHABLE', `cannot talk to ${place}: ${message || String((cause as { code?: string }).code)}`, {
      object: place,
      cause,
      next: 'check that the server runs and can be reached from this worker',
    })
  return error
}

/** What INFO says, by name. */
export async function infoOf(client: Client, ...sections: string[]): Promise<Record<string, string>> {
  // One section for each call: that is what every version understands.
  const texts = await Promise.all(sections.map((section) => client.info(section)))
  const lines = texts.join('\r\n').split(/\r?\n/)
  return Object.fromEntries(
    lines.filter((line) => line.includes(':')).map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  )
}

/** A setting of the server, or undefined where it may not be asked or there is none. */
export async function settingOf(client: Client, name: string): Promise<string | undefined> {
  const reply = await client.config('GET', name).catch((error: unknown) => {
    if (/^(NOPERM|ERR unknown command)/.test(messageOf(error))) return []
    throw error
  })
  return (reply as string[])[1]
}

/** Keys of each database that has any. */
export interface Keyspace {
  [db: string]: { keys: number; expires: number }
}

export async function keyspaceOf(client: Client): Promise<Keyspace> {
  const info = await infoOf(client, 'keyspace')
  const counted = Object.entries(info).map(([name, text]) => {
    const field = (key: string) => Number(new RegExp(`(?:^|,)${key}=(\\d+)`).exec(text)?.[1])
    return [name.replace(/^db/, ''), { keys: field('keys'), expires: field('expires') }] as const
  })
  return Object.fromEntries(counted)
}

/** For the programs of Redis: the password by environment. */
export function cliOf({ host, port, username, password, tls }: Server): { args: string[]; env: Record<string, string> } {
  const option = (name: string, value: string | undefined) => (value ? [name, value] : [])
  const secure = tls ? ['--tls', ...option('--cacert', tls.caFile), ...option('--cert', tls.certFile), ...option('--key', tls.keyFile)] : []
  return {
    args: ['-h', host, '-p', String(port), ...option('--user', username), ...secure],
    env: password ? { REDISCLI_AUTH: password } : {},
  }
}
