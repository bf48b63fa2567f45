/** One consistent capture: a transaction exports a snapshot, and everything is read through it. */
import { mkdir, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LogicalSourceConfig } from './config.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Content, Inventory } from '../../core/records.ts'
import { run } from '../../process/run.ts'
import type { ArtifactSink, Captured, CaptureRequest, DriverContext } from '../driver.ts'
import { lockedOut } from '../postgres-common/locked.ts'
import { type Client, describeConnection, withClient } from '../postgres-common/connect.ts'
import { contentOf, sequencesOf } from '../postgres-common/content.ts'
import { type Readers, withReaders } from '../postgres-common/readers.ts'
import { relationsOf } from '../postgres-common/relations.ts'
import { movedBetween } from '../postgres-common/sequences.ts'
import { directoryCommand, dumpEnvironment, type DumpOptions, partCommand, type PartName } from './commands.ts'
import { type DatabaseFacts, factsOf, recorded, type RecordedSource } from './facts.ts'
import { together } from './together.ts'

export interface LogicalSource {
  config: LogicalSourceConfig
  connection: string
  /** How long a table that somebody has locked is waited for. */
  lockWaitMs: number
}

/** What another driver takes beside the dump, in the same snapshot. */
export interface Additions {
  /** The session sees the snapshot. */
  look(client: Client): Promise<Inventory>
  /** Stored after the parts of the dump. */
  parts(dump: { options: DumpOptions; sink: ArtifactSink; context: DriverContext }): Promise<{
    artifacts: Artifact[]
    inventory: Inventory
    warnings: string[]
  }>
}

export async function capture(
  source: LogicalSource,
  context: DriverContext,
  request: CaptureRequest,
  sink: ArtifactSink,
  additions?: Additions,
): Promise<Captured> {
  const nameOf = (attempt: number) => `holdfast ${request.id} ${attempt}`
  const applicationName = nameOf(request.attempt)
  // A worker that was killed leaves what its sessions and its folder hold to the next try.
  await endSessions(
    source.connection,
    Array.from({ length: request.attempt - 1 }, (_, index) => nameOf(index + 1)),
  )
  const folder = join(source.config.scratchDir ?? tmpdir(), `holdfast-dump-${request.id}`)
  const failed = new AbortController()
  const signal = AbortSignal.any([context.signal, failed.signal])
  try {
    return await withReaders(
      source.connection,
      { count: source.config.format === 'directory' ? source.config.jobs : 1, signal, applicationName, lockWaitMs: source.lockWaitMs },
      async (readers) => {
        const facts = await factsOf(readers.clients[0])
        const options: DumpOptions = { ...source, facts, snapshot: readers.snapshot, applicationName }
        const inSnapshot = { options, folder, readers, sink, context: { ...context, signal }, stop: () => failed.abort() }
        return await dumpAndCount({ ...inSnapshot, ...(additions && { additions }) })
      },
    )
  } catch (error) {
    // A session that waits for a lock does not see that its program has gone.
    // Where the server cannot be reached there is none to end, and the first error says more.
    await endSessions(source.connection, [applicationName]).catch(() => {})
    throw context.signal.aborted
      ? new HoldfastError('CANCELLED', 'the dump was cancelled', { object: describeConnection(source.connection), cause: error })
      : lockedOut(error, describeConnection(source.connection))
  }
}

interface Capture {
  options: DumpOptions
  /** For files of the parallel format, where it is asked for. */
  folder: string
  readers: Readers
  sink: ArtifactSink
  context: DriverContext
  additions?: Additions
  stop(): void
}

async function dumpAndCount(capture: Capture): Promise<Captured> {
  const { options, readers, additions } = capture
  const { config, connection, facts, applicationName } = options
  const warnings: string[] = []
  if (config.parts.includes('globals') && !facts.superuser)
    warnings.push('the passwords of roles are left out: only a superuser may read them')
  const [client] = readers.clients
  const before = await sequencesOf(client, config)
  const sizeBytes = (await relationsOf(client, config)).reduce((sum, { bytes }) => sum + bytes, 0)
  const looked = await additions?.look(client)
  const dump = async () => ({ artifacts: await dumpParts(capture), added: await additions?.parts(capture) })
  const [{ artifacts: dumped, added }, content] = await together([dump, () => countContent(capture, warnings)], async () => {
    capture.stop()
    await endSessions(connection, [applicationName]).catch(() => {})
  })
  const artifacts = [...dumped, ...(added?.artifacts ?? [])]
  // pg_dump reads sequences as they stand when it comes to them, not as the snapshot has them.
  const after = carriesRows(config) ? await withClient(connection, {}, (other) => sequencesOf(other, config)) : {}
  const rows = carriesRows(config) ? { sequences: movedBetween(before, after) } : { sequences: {}, largeObjects: { count: 0, digest: '' } }
  return {
    artifacts,
    sizeBytes,
    fileCount: artifacts.length,
    warnings: [...warnings, ...(added?.warnings ?? [])],
    content: { ...content, ...rows },
    ...(additions && { inventory: { ...looked, ...added?.inventory } }),
    consistency: {
      time: readers.time,
      lsn: readers.lsn,
      snapshot: readers.snapshot,
      ...recordedSource(options),
      ...(facts.systemId ? { systemId: facts.systemId } : {}),
      ...(facts.timeline === null ? {} : { timeline: facts.timeline }),
    },
  }
}

function recordedSource({ config: { schemas, tables, excludeTables }, facts }: DumpOptions): RecordedSource {
  return {
    database: recorded(facts),
    selection: { ...(schemas && { schemas }), ...(tables && { tables }), ...(excludeTables && { excludeTables }) },
  }
}

/** Definitions alone have no rows to compare. */
function carriesRows({ parts }: LogicalSourceConfig): boolean {
  return parts.some((part) => part === 'database' || part === 'plain' || part === 'data')
}

async function countContent({ options, readers, context }: Capture, warnings: string[]): Promise<Content> {
  const { config, connection, facts, snapshot } = options
  return contentOf(readers.clients, {
    selection: config,
    carried: 'logical',
    sequences: false,
    signal: context.signal,
    tables: (relation) => carriesRows(config) && !(facts.replica && relation.unlogged),
    schema: { connection, binDir: config.binDir, snapshot, env: dumpEnvironment(options), lockWaitMs: options.lockWaitMs },
    onLeftOut: (name, why) => warnings.push(`${name} is not compared: ${why}`),
  })
}

async function dumpParts(capture: Capture): Promise<Artifact[]> {
  const { options, context, sink } = capture
  const artifacts: Artifact[] = []
  for (const part of inOrder(options.config.parts)) {
    context.onProgress({ phase: part })
    if (part === 'database' && options.config.format === 'directory') artifacts.push(...(await dumpDirectory(capture)))
    else artifacts.push(await sink.store({ part, role: part, required: true, stages: [partCommand(part, options)] }))
  }
  return artifacts
}

/** Globals first: they are outside of the snapshot, so as near to it as can be. */
function inOrder(parts: readonly PartName[]): PartName[] {
  return [...new Set(parts)].sort((a, b) => Number(b === 'globals') - Number(a === 'globals'))
}

/** pg_dump's parallel format needs files: each is stored under its own name, from which `pg_restore -Fd` works again. */
async function dumpDirectory({ options, folder: parent, context, sink }: Capture): Promise<Artifact[]> {
  const { config, facts } = options
  await rm(parent, { recursive: true, force: true })
  await mkdir(parent, { recursive: true, mode: 0o700 })
  try {
    await requireSpace(parent, facts)
    const folder = join(parent, 'dump')
    await run(directoryCommand(folder, options), { signal: context.signal })
    const names = (await readdir(folder)).sort()
    const artifacts: Artifact[] = []
    const store = async (): Promise<void> => {
      for (let name = names.shift(); name !== undefined; name = names.shift()) {
        const file = join(folder, name)
        artifacts.push(
          await sink.store({
            part: `directory/${name}`,
            role: 'directory-entry',
            required: true,
            stages: [{ program: 'cat', args: [file] }],
          }),
        )
        await rm(file)
      }
    }
    await together(
      Array.from({ length: Math.min(config.jobs, 4) }, () => store),
      async () => {
        names.length = 0
      },
    )
    return artifacts.sort((a, b) => (a.part < b.part ? -1 : 1))
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
}

async function requireSpace(folder: string, facts: DatabaseFacts): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize > facts.bytes) return
  throw new HoldfastError(
    'SPACE_SHORT',
    `${folder} has ${bavail * bsize} bytes free; a directory dump of ${facts.name} may need ${facts.bytes}`,
    { object: folder, next: 'choose another scratchDir, or format: custom, which needs no space' },
  )
}

/** Ends every session of this try; the role may always end its own. */
export async function endSessions(connection: string, applicationNames: readonly string[]): Promise<void> {
  if (applicationNames.length === 0) return
  await withClient(connection, {}, async (client) => {
    await client.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where application_name = any($1) and pid <> pg_backend_pid()',
      [applicationNames],
    )
  })
}
