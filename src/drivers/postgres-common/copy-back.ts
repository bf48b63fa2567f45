/** Rows of a recovered copy on their way into the live database, as a command that a person can read first. */
import { formatConnection, parseConnection } from './connect.ts'
import { shellWord as word } from '../../core/shell.ts'
import type { CopiedTable } from './copied-tables.ts'

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`
const identifier = (text: string) => (/^[a-z_][a-z0-9_]*$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`)
/** On one line whatever a name holds: what follows a line's end would be run. */
const comment = (text: string) => `# ${text.replaceAll(/[\r\n]+/g, ' ')}`
const say = (...lines: string[]) => `printf '%s\\n' ${lines.map(word).join(' ')}`

/**
 * A program at a connection, with all of it but the password: without `hostaddr` or `sslmode` it would reach another server,
 * or this one unproven. Options by environment, where more can be added; of no client_encoding, since what one side prints
 * the other reads.
 */
function at(connection: string, program: string, more = ''): string {
  const { options = '', ...words } = parseConnection(connection)
  const set = [options, more].filter(Boolean).join(' ')
  const place = formatConnection(words, { password: undefined, client_encoding: undefined })
  return [set && `PGOPTIONS=${word(set)}`, program, place && `-d ${word(place)}`].filter(Boolean).join(' ')
}

/**
 * Brings one table back, all of it or nothing: made where it is gone; where it is still there only its missing rows, told by
 * its key, and without a key all rows beside it, since they would be there twice. `suffix` is part of that table's name.
 * Holds no password: psql asks, or takes it from PGPASSWORD or the password file.
 */
export function copyBackCommand(copy: string, live: string, table: CopiedTable, suffix: string): string {
  const byKey = table.rules.length === 0 ? table.key : undefined
  const way = byKey ? missingRows(copy, live, table, byKey) : rowsBeside(copy, live, table, besideName(table, suffix))
  const there = `${at(live, 'psql -X')} -Atc ${word(`select to_regclass(${literal(table.name)})`)}`
  return [
    ...way.about.map(comment),
    // The command ends as its first part ends, too, in a shell that would only see psql end well.
    '( set -o pipefail; {',
    // What breaks off leaves no commit behind, and so nothing of itself.
    `  ${say('begin;')} &&`,
    `  there=$(${there}) &&`,
    '  if [ -n "$there" ]; then',
    ...way.steps.map((step, index) => `    ${step}${index + 1 < way.steps.length ? ' &&' : ''}`),
    '  else',
    `    ${made(copy, table)}`,
    `  fi && ${say('commit;')}`,
    into(live),
  ].join('\n')
}

const into = (live: string, options = '') => `} | ${at(live, 'psql -X -q -o /dev/null -v ON_ERROR_STOP=1', options)} )`

interface Way {
  about: string[]
  /** Shell commands that print SQL, for where the live table is there. */
  steps: string[]
}

const dump = (copy: string, { tree }: CopiedTable) =>
  `${at(copy, 'pg_dump')} ${tree.map((name) => `--table=${word(name)}`).join(' ')} --no-owner`

/** What DROP … CASCADE took with it belongs to others, and is in no dump of this table. */
function madeAgain({ name, dependents }: CopiedTable): string {
  const these = dependents.length > 0 ? `: ${dependents.join(', ')}` : ''
  return `${name} is made again where it is gone, without foreign keys and views of others that went with it${these}.`
}

/** Triggers are the live table's own matter, and so is whether they are to see rows that it had already seen. */
function aboutTriggers(live: string, { triggers }: CopiedTable): string[] {
  if (triggers.length === 0) return []
  return [
    `Its triggers fire: ${triggers.join(', ')}. Those BEFORE INSERT also for rows that are there, and all with an empty search_path:`,
    `one that names a table without its schema fails. To go without them, as a superuser (foreign keys are not checked then),`,
    `let this be the last line:`,
    into(live, '-c session_replication_role=replica'),
  ]
}

function made(copy: string, table: CopiedTable): string {
  const schema = `select ${literal(`create schema ${table.schema}`)} where to_regnamespace(${literal(table.schema)}) is null \\gexec`
  return table.schema === 'public' ? dump(copy, table) : `${say(schema)} && ${dump(copy, table)}`
}

function missingRows(copy: string, live: string, table: CopiedTable, key: string[]): Way {
  const { name, sequences } = table
  const columns = key.join(', ')
  const rows = (where: string) => `${at(where, 'psql -X')} -Atc ${word(`select (r.*)::text collate "C" from ${name} r order by 1`)}`
  // By their names, since the live table's columns may stand in another order now.
  const flags = ['--data-only --column-inserts --rows-per-insert=500 --on-conflict-do-nothing']
  if (table.partitioned) flags.push('--load-via-partition-root')
  // pg_dump would set them back to where they stood, and the next rows of the live table would meet their own keys.
  flags.push(...sequences.map((sequence) => `--exclude-table-data=${word(sequence.name)}`))
  return {
    about: [
      madeAgain(table),
      `Where it is there, rows that are gone come back, told by their key (${columns}). Rows that were only changed stay as they are,`,
      `and a row stays away whose key, or any other unique key, a live row has by now. This shows both, in bash:`,
      `diff <(${rows(copy)}) <(${rows(live)})`,
      ...aboutTriggers(live, table),
    ],
    steps: [
      // Refused by PostgreSQL where the live table has lost this key since: without it all rows would come a second time.
      say(`explain insert into ${name} default values on conflict (${columns}) do nothing;`),
      [dump(copy, table), ...flags].join(' '),
      ...sequences.flatMap(({ name, last }) => (last === null ? [] : [say(forward(table.name, name, last))])),
    ],
  }
}

/**
 * A sequence goes on behind the rows that came back, and never goes back: while it is moved no other session inserts, and
 * where it stands is read again then. A nextval that is called for itself is not held up.
 */
function forward(table: string, sequence: string, last: string): string {
  const behind = `from ${sequence} where last_value <= ${last}`
  const move = `lock table ${table} in share row exclusive mode; perform pg_catalog.setval(${literal(sequence)}, ${last}) ${behind};`
  const body = `begin if to_regclass(${literal(sequence)}) is not null then if exists (select ${behind}) then ${move} end if; end if; end`
  return `do ${literal(body)};`
}

/** As text that reads the same whatever the two sessions are set to; rows that a policy hides are an error. */
const AS_TEXT = '-c datestyle=iso -c intervalstyle=postgres -c extra_float_digits=3 -c row_security=off'

function rowsBeside(copy: string, live: string, table: CopiedTable, beside: string): Way {
  const { name, columns, rules } = table
  const only = `select (r.*)::text from ${beside} r except all select (r.*)::text from ${name} r`
  return {
    about: [
      rules.length > 0
        ? `${name} has rules with which PostgreSQL takes no rows by their key: ${rules.join(', ')}.`
        : `${name} has no key by which a row that is still there could be told from one that is gone.`,
      madeAgain(table),
      `Where it is there it is not touched: all rows go into ${beside}.`,
      `Comparing the two, and bringing over what is missing, is up to you. This shows rows that the live table does not have:`,
      `${at(live, 'psql -X')} -c ${word(only)}`,
    ],
    steps: [
      say(`create table ${beside} (${columns});`, `copy ${beside} from stdin;`),
      `${at(copy, 'psql -X', AS_TEXT)} -c ${word(`copy (select * from ${name}) to stdout`)}`,
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
