/** Dumps that were taken without Holdfast, as points: archives of pg_dump as they are, scripts unpacked on their way. */
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { filesBelow, isOfFile } from '../common/files-below.ts'
import { takenAt } from '../common/taken-at.ts'
import type { Adoption, ArtifactSink, Captured, DriverContext, FoundBackup, FoundBackups } from '../driver.ts'
import { parseConnection, withClient } from '../postgres-common/connect.ts'
import type { LogicalSourceConfig } from './config.ts'
import { type Dump, inspect, type Inspected, NoDump, plainBytes } from './dump-file.ts'
import { factsOf, recorded, type RecordedDatabase, type RecordedSource } from './facts.ts'

/** What a driver on top of this one asks of a dump, and says of it. */
interface Wanted {
  /** A dump without these is none of this source. */
  tables: readonly string[]
  warnings: readonly string[]
}
interface Adopting extends Wanted {
  config: LogicalSourceConfig
  connection: string
}

export function createAdoption(config: LogicalSourceConfig, connection: string, wanted: Wanted = { tables: [], warnings: [] }): Adoption {
  const on = { config, connection, ...wanted }
  return {
    find: (context, from, known) => find(on, context, from, known),
    take: (context, backup, _, sink) => take(on, context, backup, sink),
  }
}

async function find(on: Adopting, context: DriverContext, from: readonly string[], known: ReadonlySet<string>): Promise<FoundBackups> {
  const found: FoundBackups = { backups: [], already: 0, left: [] }
  const seen = new Set(known)
  for (const file of await filesBelow(from)) {
    context.onProgress({ phase: `look at ${basename(file)}` })
    try {
      const dump = await inspect(on.config, file, context, seen)
      if (dump === 'known') {
        found.already += 1
        continue
      }
      seen.add(dump.origin)
      found.backups.push(await describe(on, file, dump))
    } catch (error) {
      found.left.push(leftFor(error, file, context))
    }
  }
  found.backups.sort((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt))
  return found
}

/** What is wrong with one file is said of that file; what is wrong with the worker ends the search. */
function leftFor(error: unknown, file: string, { signal }: DriverContext): FoundBackups['left'][number] {
  if (signal.aborted) throw error
  if (error instanceof NoDump) return { from: file, why: error.message, broken: error.broken }
  if (isOfFile(error) || (error instanceof HoldfastError && error.code === 'PROCESS_FAILED'))
    return { from: file, why: messageOf(error), broken: true }
  throw error
}

async function describe(on: Adopting, file: string, { origin, dump, script }: Inspected): Promise<FoundBackup> {
  const { connection, tables, warnings } = on
  const { dbname, user } = parseConnection(connection)
  const own = dbname ?? user ?? 'postgres'
  if (dump.database !== undefined && dump.database !== own)
    throw new NoDump(`it is a dump of the database ${dump.database}; this source is ${own}`)
  const missing = tables.filter((table) => !script.made.has(table))
  if (missing.length > 0) throw new NoDump(`it is a dump of something else than this source: it does not make ${missing.join(', ')}`)
  const { mtime } = await stat(file)
  const taken = takenAt({ name: basename(file), recorded: dump.recorded, modified: mtime })
  if (!taken) throw new NoDump('its times are in the future: touch -d gives the file the right one')
  const createdAt = taken.at.toISOString()
  return {
    origin,
    from: file,
    kind: 'adopted',
    createdAt,
    completedAt: createdAt,
    description: `adopted from ${file}`,
    tags: ['adopted'],
    sizeBytes: script.bytes,
    warnings: [
      'its contents were not recorded when it was taken: a proof loads and reads all of it, and has nothing to compare it with',
      'tables may have been left out of it, and it has no globals: roles that are missing are made without rights',
      ...warnings,
      ...(taken.warning ? [taken.warning] : []),
      ...(dump.database === undefined ? [`it names no database, and was taken for one of ${own}`] : []),
    ],
  }
}

async function take(
  on: Adopting,
  context: DriverContext,
  backup: FoundBackup,
  sink: ArtifactSink,
): Promise<Captured & { versions: Record<string, string> }> {
  const { from } = backup
  const found = await inspect(on.config, from, context, new Set())
  if (found === 'known' || found.origin !== backup.origin) throw changed(from)
  const { dump, script } = found
  const opened = plainBytes(from, dump, context.signal)
  const artifact = await sink
    .storeStream({ part: dump.role, role: dump.role, required: true, stream: opened.stream })
    .finally(() => opened.stop())
  if (artifact.contentBlake3 !== backup.origin) throw changed(from)
  const database = await databaseOf(on, found)
  const source: RecordedSource = { database, selection: {} }
  return {
    artifacts: [artifact],
    consistency: { time: backup.createdAt, ...source },
    sizeBytes: artifact.plainBytes ?? 0,
    fileCount: 1,
    warnings: backup.warnings,
    versions: {
      ...(script.server && { postgresql: script.server }),
      ...(script.dumper && { pg_dump: script.dumper }),
      encoding: database.encoding,
    },
  }
}

function changed(file: string): HoldfastError {
  return new HoldfastError('INTEGRITY', `${file} is not what it was when it was looked at`, {
    object: file,
    next: 'wait until nobody writes to it, and start the adoption again',
  })
}

/** An archive says how its database was made. A script does not: then as the source has it today. */
async function databaseOf({ connection }: Adopting, { dump, script }: Inspected): Promise<RecordedDatabase> {
  const { bytes, roles, owner } = script
  const named = dump.database === undefined ? undefined : madeAs(dump, script.createDatabase ?? '')
  const known = named ?? recorded(await withClient(connection, {}, factsOf))
  const everyRole = new Set([...roles, owner ?? known.owner])
  return { ...known, owner: owner ?? known.owner, bytes, roles: [...everyRole].filter((role) => role !== '').sort() }
}

function madeAs({ database = '' }: Dump, statement: string): RecordedDatabase {
  const word = (name: string) =>
    new RegExp(` ${name} = (?:'((?:[^']|'')*)'|(\\w+))`).exec(statement)?.slice(1).find(Boolean)?.replaceAll("''", "'")
  const locale = word('LOCALE') ?? 'C'
  return {
    name: database,
    owner: '',
    encoding: word('ENCODING') ?? 'UTF8',
    collate: word('LC_COLLATE') ?? locale,
    ctype: word('LC_CTYPE') ?? locale,
    provider: word('LOCALE_PROVIDER') === 'icu' ? 'i' : 'c',
    icuLocale: word('ICU_LOCALE') ?? null,
    bytes: 0,
    bootstrapRole: 'postgres',
    roles: [],
  }
}
