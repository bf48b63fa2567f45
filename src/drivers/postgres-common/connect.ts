/** Sessions on a PostgreSQL server, from a libpq connection string; every failure to connect has a code and names the place. */
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { describeConnection, parseConnection, type ConnectionWords } from './words.ts'

export { describeConnection, formatConnection, parseConnection, pgEnvironment, withDatabase, type ConnectionWords } from './words.ts'

export type Client = pg.Client

export interface ConnectOptions {
  /** Another database of the same server. */
  database?: string
  applicationName?: string
  timeoutMs?: number
}

/** An open session. The caller ends it; a session lost later rejects the query that runs, not the process. */
export async function connect(connection: string, options: ConnectOptions = {}): Promise<Client> {
  const words = parseConnection(connection)
  const place = describeConnection(connection)
  const modes = await encryptions(words)
  for (const [index, ssl] of modes.entries()) {
    const client = new pg.Client({ ...(await clientOptions(words, options)), ssl })
    client.on('error', () => {})
    try {
      await client.connect()
      return client
    } catch (error) {
      // Not ended: that would wait for the other side, which may be the very thing that hangs.
      client.connection.stream.destroy()
      // `prefer`: a server without TLS answers so, and only then the plain connection is tried.
      if (index + 1 < modes.length && /does not support SSL/.test(messageOf(error))) continue
      throw unreachable(place, error)
    }
  }
  throw unreachable(place, new Error('no way to connect'))
}

/** Runs `use` with a session that is ended afterwards in any case. */
export async function withClient<T>(connection: string, options: ConnectOptions, use: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(connection, options)
  try {
    return await use(client)
  } finally {
    await closeSession(client)
  }
}

const GOODBYE_MS = 2_000

/** Says goodbye; a server that does not close within two seconds (frozen, or cut off) is left without. Never fails. */
export async function closeSession(client: Client): Promise<void> {
  const leave = setTimeout(() => client.connection.stream.destroy(), GOODBYE_MS)
  await client.end().catch(() => {})
  clearTimeout(leave)
}

async function clientOptions(words: ConnectionWords, options: ConnectOptions): Promise<pg.ClientConfig> {
  const seconds = Number(words['connect_timeout'] ?? '15')
  const password = words['password'] ?? (words['passfile'] ? await fromPassFile(words['passfile'], words, options.database) : undefined)
  return {
    application_name: options.applicationName ?? words['application_name'] ?? 'holdfast',
    connectionTimeoutMillis: options.timeoutMs ?? (seconds > 0 ? seconds * 1000 : 15_000),
    keepAlive: true,
    ...(words['host'] || words['hostaddr'] ? { host: words['hostaddr'] ?? words['host'] } : {}),
    ...(words['port'] ? { port: Number(words['port']) } : {}),
    ...(words['user'] ? { user: words['user'] } : {}),
    ...(password === undefined ? {} : { password }),
    ...((options.database ?? words['dbname']) ? { database: options.database ?? words['dbname'] } : {}),
    ...(words['options'] ? { options: words['options'] } : {}),
  }
}

type Encryption = Exclude<pg.ClientConfig['ssl'], undefined>

/** What libpq means by sslmode, in the order to try. Sockets in the file system are never encrypted. */
async function encryptions(words: ConnectionWords): Promise<Encryption[]> {
  const mode = words['sslmode'] ?? process.env['PGSSLMODE'] ?? 'prefer'
  const host = words['hostaddr'] ?? words['host'] ?? process.env['PGHOST'] ?? 'localhost'
  if (mode === 'disable' || mode === 'allow' || host.startsWith('/')) return [false]
  const file = async (word: string) => (words[word] ? await readFile(words[word], 'utf8') : undefined)
  const [ca, cert, key] = await Promise.all([file('sslrootcert'), file('sslcert'), file('sslkey')])
  const base = {
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(words['hostaddr'] && words['host'] ? { servername: words['host'] } : {}),
  }
  const named = { ...base, rejectUnauthorized: true }
  const signed = { ...named, checkServerIdentity: () => undefined }
  if (mode === 'verify-full') return [named]
  if (mode === 'verify-ca') return [signed]
  const any = ca ? signed : { ...base, rejectUnauthorized: false }
  return mode === 'require' ? [any] : [any, false]
}

/** The password of the first line that fits, as libpq reads its password file. */
async function fromPassFile(path: string, words: ConnectionWords, database: string | undefined): Promise<string | undefined> {
  const wanted = [
    words['host'] ?? 'localhost',
    words['port'] ?? '5432',
    database ?? words['dbname'] ?? words['user'] ?? '',
    words['user'] ?? '',
  ]
  for (const line of (await readFile(path, 'utf8')).split('\n')) {
    const fields = [...line.matchAll(/((?:[^:\\]|\\.)*)(?::|$)/g)].map((found) => (found[1] ?? '').replace(/\\(.)/g, '$1'))
    if (!line.startsWith('#') && wanted.every((value, index) => fields[index] === '*' || fields[index] === value)) return fields[4]
  }
  return undefined
}

function unreachable(place: string, cause: unknown): HoldfastError {
  const code = (cause as { code?: string }).code ?? ''
  // Class 28 is a refused identity, 3D000 no such database: nothing that waiting would mend.
  const final = code.startsWith('28') || code === '3D000'
  return new HoldfastError('SOURCE_UNREACHABLE', `cannot connect to ${place}: ${messageOf(cause) || code}`, {
    object: place,
    cause,
    retryable: !final,
    details: code ? { sqlstate: code } : {},
    next: final
      ? 'check user, password and database name of the connection'
      : 'check that the server runs and can be reached from this worker',
  })
}
