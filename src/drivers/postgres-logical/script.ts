/**
 * An SQL script of pg_dump or pg_restore, read once from end to end: whether it is whole, what it makes, and what it
 * would do beyond filling a database.
 */
export interface Script {
  bytes: number
  /** It begins as pg_dump begins a database, and ends as it ends one. */
  begins: boolean
  complete: boolean
  /** Of all databases of a server. */
  cluster: boolean
  /** `15.4`, of the server and of pg_dump. */
  server?: string
  dumper?: string
  encoding?: string
  createDatabase?: string
  owner?: string
  /** Roles that own something or were granted something. */
  roles: string[]
  tables: number
  /** Their names, each with its schema. */
  made: ReadonlySet<string>
  /** Tables whose rows are in it. */
  filled: number
  /** Schemas of tables that it does not make. */
  missingSchemas: string[]
  /** The first line that drops what an empty database does not have. */
  drops?: string
  /** The first command of psql beyond those that protect its reader, like `\connect`. */
  command?: string
}

/** A statement of interest fits; a row may have a gigabyte. */
const MOST_OF_LINE = 16 * 1024
const NEWLINE = 10
const END_OF_ROWS = Buffer.from('\\.')

/** The beginning of each line, and whether the script was read to its end. */
async function* beginnings(stream: AsyncIterable<Buffer>): AsyncGenerator<{ line: Buffer; bytes: number }> {
  let kept: Buffer[] = []
  let bytes = 0
  const take = (piece: Buffer) => {
    if (bytes < MOST_OF_LINE) kept.push(piece.subarray(0, MOST_OF_LINE - bytes))
    bytes += piece.length
  }
  for await (const chunk of stream) {
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      take(chunk.subarray(from, at))
      yield { line: kept.length === 1 ? (kept[0] as Buffer) : Buffer.concat(kept), bytes: bytes + 1 }
      kept = []
      bytes = 0
      from = at + 1
    }
    // A copy: the rest of a chunk may be a small part of it.
    if (from < chunk.length) take(Buffer.from(chunk.subarray(from)))
  }
  if (bytes > 0) yield { line: Buffer.concat(kept), bytes }
}

export async function readScript(stream: AsyncIterable<Buffer>): Promise<Script> {
  const script: Script = {
    bytes: 0,
    begins: false,
    complete: false,
    cluster: false,
    roles: [],
    tables: 0,
    made: new Set(),
    filled: 0,
    missingSchemas: [],
  }
  const seen = {
    roles: new Set<string>(),
    tables: new Set<string>(),
    made: new Set<string>(['public', '']),
    used: new Set<string>(),
  }
  let rows = false
  for await (const { line, bytes } of beginnings(stream)) {
    script.bytes += bytes
    if (rows) {
      rows = !line.equals(END_OF_ROWS)
      continue
    }
    const text = line.toString('utf8')
    rows = /^COPY .* FROM stdin;$/.test(text)
    note(script, text)
    noteNames(seen, text)
  }
  script.roles = [...seen.roles].sort()
  script.made = seen.tables
  script.missingSchemas = [...seen.used].filter((name) => !seen.made.has(name)).sort()
  return script
}

function note(script: Script, line: string): void {
  const found = (pattern: RegExp) => pattern.exec(line)?.[1]
  if (line === '-- PostgreSQL database dump') script.begins = true
  if (line === '-- PostgreSQL database dump complete') script.complete = true
  if (line === '-- PostgreSQL database cluster dump') script.cluster = true
  script.server ??= found(/^-- Dumped from database version (\S+)/)
  script.dumper ??= found(/^-- Dumped by pg_dump version (\S+)/)
  script.encoding ??= found(/^SET client_encoding = '(.*)';$/)
  script.createDatabase ??= found(/^(CREATE DATABASE .*)$/)
  const owner = found(new RegExp(`^ALTER DATABASE .* OWNER TO (${NAME});$`))
  if (owner) script.owner ??= plainName(owner)
  if (TABLE.test(line)) script.tables += 1
  if (/^(COPY .* FROM stdin;|INSERT INTO .*)$/.test(line)) script.filled += 1
  // Those that pg_dump --clean begins with, before there is anything that it made itself.
  if (script.tables === 0 && /^(DROP|ALTER TABLE .* DROP CONSTRAINT) /.test(line) && !/ IF EXISTS /.test(line)) script.drops ??= line
  if (/^\\(?!(un)?restrict )/.test(line) && line !== '\\.') script.command ??= line
}

const NAME = '"(?:[^"]|"")+"|[^\\s";,.()]+'
const TABLE = new RegExp(`^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(?:(${NAME})\\.)?(${NAME}) `)
const SCHEMA = new RegExp(`^CREATE SCHEMA (?:IF NOT EXISTS )?(${NAME});$`)
const ROLES = [
  new RegExp(`^ALTER .* OWNER TO (${NAME});$`),
  new RegExp(`^(?:ALTER DEFAULT PRIVILEGES .* )?GRANT .* TO (${NAME})(?: WITH GRANT OPTION)?;$`),
  new RegExp(`^REVOKE .* FROM (${NAME});$`),
  new RegExp(`^ALTER DEFAULT PRIVILEGES FOR ROLE (${NAME}) `),
  new RegExp(`^CREATE POLICY .* TO ((?:${NAME})(?:, (?:${NAME}))*)(?: |;)`),
  new RegExp(`^CREATE USER MAPPING FOR (${NAME}) `),
]
const NO_ROLES = ['PUBLIC', 'public', 'CURRENT_USER', 'SESSION_USER']

function noteNames(seen: Record<'roles' | 'tables' | 'made' | 'used', Set<string>>, line: string): void {
  const schema = SCHEMA.exec(line)?.[1]
  if (schema) seen.made.add(plainName(schema))
  const table = TABLE.exec(line)
  if (table) {
    const [schema = '', name = ''] = table.slice(1).map((word = '') => plainName(word))
    seen.used.add(schema)
    seen.tables.add(`${schema}.${name}`)
  }
  for (const pattern of ROLES)
    for (const [name] of (pattern.exec(line)?.[1] ?? '').matchAll(new RegExp(NAME, 'g')))
      if (!NO_ROLES.includes(name) && !name.startsWith('pg_')) seen.roles.add(plainName(name))
}

const plainName = (name: string): string => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name)
