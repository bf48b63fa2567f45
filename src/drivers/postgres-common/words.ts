/** libpq connection strings, in both of libpq's forms, as words; and words as environment, so that no password is in argv. */
import { HoldfastError } from '../../core/errors.ts'

export type ConnectionWords = Readonly<Record<string, string>>

/** Every word that Holdfast hands on, with the environment variable that libpq's programs read it from. */
const ENVIRONMENT: Record<string, string> = {
  host: 'PGHOST',
  hostaddr: 'PGHOSTADDR',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  passfile: 'PGPASSFILE',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslcrl: 'PGSSLCRL',
  channel_binding: 'PGCHANNELBINDING',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  options: 'PGOPTIONS',
  application_name: 'PGAPPNAME',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
  gssencmode: 'PGGSSENCMODE',
  krbsrvname: 'PGKRBSRVNAME',
  client_encoding: 'PGCLIENTENCODING',
}

/** The words of `host=… dbname=…` or `postgresql://…`. Throws CONFIG_INVALID; the message holds no value of the string. */
export function parseConnection(connection: string): ConnectionWords {
  const words = /^postgres(ql)?:\/\//.test(connection) ? fromUrl(connection) : fromPairs(connection)
  for (const word of Object.keys(words)) {
    if (!ENVIRONMENT[word]) throw invalid(`connection word "${word}" is not supported`, `use only ${Object.keys(ENVIRONMENT).join(', ')}`)
  }
  if (words['host']?.includes(',')) throw invalid('a connection names one host', 'give each host a source of its own')
  return words
}

/** Words as one libpq string; an existing word is overridden by `change`, and removed where that is undefined. */
export function formatConnection(words: ConnectionWords, change: Record<string, string | undefined> = {}): string {
  return Object.entries({ ...words, ...change })
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([key, value]) => `${key}=${/^[\w./:@+-]+$/.test(value) ? value : `'${value.replace(/[\\']/g, '\\$&')}'`}`)
    .join(' ')
}

/** The same connection to another database. */
export function withDatabase(connection: string, dbname: string): string {
  return formatConnection(parseConnection(connection), { dbname })
}

/** What may stand in a log, a record or a message: where it leads to, without the password. */
export function describeConnection(connection: string): string {
  const { host, hostaddr, port, dbname, user } = parseConnection(connection)
  return `${user ? `${user}@` : ''}${host ?? hostaddr ?? 'localhost'}:${port ?? '5432'}/${dbname ?? ''}`
}

/** For pg_dump and its like: everything of the connection, by environment. */
export function pgEnvironment(connection: string): Record<string, string> {
  const words = { application_name: 'holdfast', connect_timeout: '15', ...parseConnection(connection) }
  return Object.fromEntries(Object.entries(words).map(([word, value]) => [ENVIRONMENT[word] as string, value]))
}

function fromUrl(connection: string): Record<string, string> {
  let url: URL
  try {
    url = new URL(connection)
  } catch {
    throw invalid('the connection URL cannot be read', 'write it as postgresql://user:password@host:port/database')
  }
  const words: Record<string, string> = {}
  const put = (word: string, value: string) => {
    if (value) words[word] = decodeURIComponent(value)
  }
  put('host', url.hostname.replace(/^\[(.*)\]$/, '$1'))
  put('port', url.port)
  put('dbname', url.pathname.slice(1))
  put('user', url.username)
  put('password', url.password)
  for (const [word, value] of url.searchParams) words[word] = value
  return words
}

function fromPairs(connection: string): Record<string, string> {
  const words: Record<string, string> = {}
  const pair = /\s*([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/gy
  let end = 0
  for (let found = pair.exec(connection); found; found = pair.exec(connection)) {
    words[found[1] as string] = (found[2] ?? found[3] ?? '').replace(/\\(.)/g, '$1')
    end = pair.lastIndex
  }
  if (connection.slice(end).trim() !== '') {
    throw invalid('the connection string cannot be read', "write it as host=… port=… dbname=… user=…, values with spaces in '…'")
  }
  return words
}

function invalid(message: string, next: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', message, { object: 'connection', next })
}
