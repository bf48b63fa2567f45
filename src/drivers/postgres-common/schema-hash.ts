/** The DDL of a database as one digest that is the same after a dump and a restore. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import { pgEnvironment } from './words.ts'
import { type Selection, selectionArguments } from './relations.ts'

export interface SchemaOptions {
  connection: string
  binDir: string
  /** An exported snapshot, so that the definitions are those of the rows. */
  snapshot?: string | undefined
  selection?: Selection
  /** Instead of the connection's own, where the session has to have a name or settings. */
  env?: Readonly<Record<string, string>>
  lockWaitMs?: number
  signal?: AbortSignal
}

const MOST_BYTES = 256 * 1024 * 1024

/** SHA-256 of `pg_dump --schema-only`, normalised. */
export async function schemaHash(options: SchemaOptions): Promise<string> {
  const { stdout, truncated } = await run(
    {
      program: join(options.binDir, 'pg_dump'),
      env: options.env ?? pgEnvironment(options.connection),
      args: [
        '--schema-only',
        `--lock-wait-timeout=${options.lockWaitMs ?? 60_000}`,
        ...(options.snapshot ? [`--snapshot=${options.snapshot}`] : []),
        ...selectionArguments(options.selection ?? {}),
      ],
    },
    { maxOutputBytes: MOST_BYTES, ...(options.signal ? { signal: options.signal } : {}) },
  )
  if (truncated) throw new HoldfastError('SOURCE_UNFIT', `the DDL of the database is larger than ${MOST_BYTES / 1024 / 1024} MiB`)
  return createHash('sha256').update(normaliseSchema(stdout)).digest('hex')
}

/**
 * Without what differs between two dumps of equal databases: comments, session settings, the random words of \restrict,
 * the order of equals. PostgreSQL itself prints a cast of an array in another way once it was restored: see ARRAY below.
 */
export function normaliseSchema(ddl: string): string {
  const statements = ddl.split(/^--\n-- (?:Name|Data for Name): .*\n--$/m)
  return statements
    .map((statement) => statement.split('\n').filter(isDefinition).map(sameArrays).join('\n'))
    .filter((text) => text !== '')
    .sort()
    .join('\n;\n')
}

function isDefinition(line: string): boolean {
  return line.trim() !== '' && !/^(--|SET |SELECT pg_catalog\.set_config\('search_path'|\\)/.test(line)
}

const CAST = /::("[^"]+"|[a-z_]\w*)(\."[^"]+"|\.\w+)?( varying| precision)?(\(\d+(,\d+)?\))?( with(out)? time zone)?(\[\])*/g

/** `(ARRAY['a'::varchar])::text[]` comes back as `ARRAY[('a'::varchar)::text]`: casts and brackets of such lines are left out. */
function sameArrays(line: string): string {
  return line.includes('ARRAY[') ? line.replace(CAST, '').replace(/[()]/g, '') : line
}
