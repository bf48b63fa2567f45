/** Rows of a recovered copy on their way into the live database, as a command that a person can read first. */
import { parseConnection } from './connect.ts'
import type { CopiedTable } from './copied-tables.ts'

const word = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`
const identifier = (text: string) => (/^[a-z_][a-z0-9_]*$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`)
/** On one line whatever a name holds: what follows a line's end would be run. */
const comment = (text: string) => `# ${text.replaceAll(/[\r\n]+/g, ' ')}`
const say = (...lines: string[]) => `printf '%s\\n' ${lines.map(word).join(' ')}`

function place(connection: string): string {
  const { host, port, user, dbname } = parseConnection(connection)
  return [host && `-h ${word(host)}`, port && `-p ${word(port)}`, user && `-U ${word(user)}`, dbname && `-d ${word(dbname)}`]
    .filter(Boolean)
    .join(' ')
}

/**
 * Brings one table back, all of it or nothing: made where it is gone; where it is still there only its missing rows, told by
 * its key, and without a key all rows beside it, since they would be there twice. `suffix` is part of that table's name.
 * Holds no password: psql asks, or takes it from PGPASSWORD or the password file.
 */
export function copyBackCommand(copy: string, live: string, table: CopiedTable, suffix: string): string {
  const way = table.key ? missingRows(copy, live, table, table.key) : rowsBeside(copy, live, table, besideName(table, suffix))
  const there = `[ -n "$(psql -X ${place(live)} -Atc ${word(`select to_regclass(${literal(table.name)})`)})" ]`
  return [
    ...way.about.map(comment),
    '{',
    // What breaks off leaves no commit behind, and so nothing of itself.
    `  ${say('begin;')} &&`,
    `  if ${there}; then`,
    ...way.steps.map((step, at) => `    ${step}${at + 1 < way.steps.length ? ' &&' : ''}`),
    '  else',
    `    ${made(copy, table)}`,
    `  fi && ${say('commit;')}`,
    `} | psql -X -q -o /dev/null -v ON_ERROR_STOP=1 ${place(live)}`,
  ].join('\n')
}

interface Way {
  about: string[]
  /** Shell commands that print SQL, for where the live table is there. */
  steps: string[]
}

const dump = (copy: string, { tree }: CopiedTable) =>
  `pg_dump ${place(copy)} ${tree.map((name) => `--table=${word(name)}`).join(' ')} --no-owner`

function made(copy: string, table: CopiedTable): string {
  const schema = `select ${literal(`create schema ${table.schema}`)} where to_regnamespace(${literal(table.schema)}) is null \\gexec`
  return table.schema === 'public' ? dump(copy, table) : `${say(schema)} && ${dump(copy, table)}`
}

function missingRows(copy: string, live: string, table: CopiedTable, key: string[]): Way {
  const { name, sequences } = table
  const columns = key.map(identifier).join(', ')
  const rows = (where: string) => `psql -X ${place(where)} -Atc ${word(`select (r.*)::text collate "C" from ${name} r order by 1`)}`
  // By their names, since the live table's columns may stand in another order now.
  const flags = ['--data-only --column-inserts --rows-per-insert=500 --on-conflict-do-nothing']
  if (table.partitioned) flags.push('--load-via-partition-root')
  // pg_dump would set them back to where they stood, and the next rows of the live table would meet their own keys.
  flags.push(...sequences.map((sequence) => `--exclude-table-data=${word(sequence.name)}`))
  return {
    about: [
      `${name} is made again where it is gone. Where it is there, rows that are gone come back, told by their key (${columns}).`,
      `Rows that were only changed stay as they are: they conflict with the live version. This shows them, in bash:`,
      `diff <(${rows(copy)}) <(${rows(live)})`,
    ],
    steps: [
      // Refused by PostgreSQL where the live table has lost this key since: without it all rows would come a second time.
      say(`explain insert into ${name} default values on conflict (${columns}) do nothing;`),
      [dump(copy, table), ...flags].join(' '),
      ...sequences.flatMap(({ name, last }) => (last === null ? [] : [say(forward(name, last))])),
    ],
  }
}

/** A sequence goes on behind the rows that came back, and never goes back. */
function forward(sequence: string, last: string): string {
  const move = `select pg_catalog.setval(%L, ${last}) from %s where last_value <= ${last}`
  return `select format(${literal(move)}, s, s) from to_regclass(${literal(sequence)}) s where s is not null \\gexec`
}

/** As text that reads the same whatever the two sessions are set to; rows that a policy hides are an error. */
const AS_TEXT = `PGOPTIONS='-c datestyle=iso -c intervalstyle=postgres -c extra_float_digits=3 -c row_security=off'`

function rowsBeside(copy: string, live: string, { name, columns }: CopiedTable, beside: string): Way {
  const only = `select (r.*)::text from ${beside} r except all select (r.*)::text from ${name} r`
  return {
    about: [
      `${name} has no key by which a row that is still there could be told from one that is gone.`,
      `It is made again where it is gone. Where it is there it is not touched: all rows go into ${beside}.`,
      `Comparing the two, and bringing over what is missing, is up to you. This shows rows that the live table does not have:`,
      `psql -X ${place(live)} -c ${word(only)}`,
    ],
    steps: [
      say(`create table ${beside} (${columns});`, `copy ${beside} from stdin;`),
      `${AS_TEXT} psql -X ${place(copy)} -c ${word(`copy (select * from ${name}) to stdout`)}`,
      say('\\.'),
    ],
  }
}

/** PostgreSQL cuts a name after 63 bytes: the table's own part is cut instead. */
function besideName({ schema, table }: CopiedTable, suffix: string): string {
  const end = `_recovered_${suffix}`
  const letters = [...table]
  while (Buffer.byteLength(letters.join('') + end) > 63) letters.pop()
  return `${schema}.${identifier(letters.join('') + end)}`
}
