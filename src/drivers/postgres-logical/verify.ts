/** Every assertion of a proof, on an instance that a restore filled. */
import { join } from 'node:path'
import type { LogicalSourceConfig } from './config.ts'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import type { DriverContext, Target, UserAssertion } from '../driver.ts'
import { amcheck, userAssertions } from '../postgres-common/assertions.ts'
import { withClient } from '../postgres-common/connect.ts'
import { compareContent } from '../postgres-common/compare.ts'
import { contentOf } from '../postgres-common/content.ts'
import { withReaders } from '../postgres-common/readers.ts'
import { runningInstance } from '../postgres-common/instance.ts'
import { recordedIn } from './facts.ts'
import { startAgain } from './restore.ts'

export interface VerifyOptions {
  depth: 'restore' | 'full'
  assertions: readonly UserAssertion[]
}

export async function verify(
  config: LogicalSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  target: Target,
  options: VerifyOptions,
): Promise<Assertion[]> {
  const started = await engineStarts(config, context, manifest, target)
  if (!started.ok) return [started]
  const content = await contentAssertions(config, context, manifest, target, options.depth).catch((error: unknown): Assertion[] => {
    if (context.signal.aborted || error instanceof HoldfastError) throw error
    // Damage may show as a query that fails, or as a server that goes down.
    return [{ name: 'content', ok: false, expected: 'readable', actual: messageOf(error) }]
  })
  const own = await userAssertions(target.connection, options.assertions, context.signal)
  const damage =
    options.depth === 'full' ? [await amcheck({ connection: target.connection, binDir: config.binDir, signal: context.signal })] : []
  return [started, ...content, ...own, ...damage]
}

async function engineStarts(config: LogicalSourceConfig, context: DriverContext, manifest: Manifest, target: Target): Promise<Assertion> {
  const expected = `accepts connections, encoding ${manifest.versions['encoding'] ?? 'as it was'}`
  try {
    if (target.kind === 'scratch' && !(await runningInstance(join(target.dir, 'data'))))
      await startAgain(config, target.dir, context.signal)
    const encoding = await withClient(
      target.connection,
      {},
      async (client) => (await client.query<{ server_encoding: string }>('show server_encoding')).rows[0]?.server_encoding,
    )
    const ok = manifest.versions['encoding'] === undefined || manifest.versions['encoding'] === encoding
    return { name: 'engine', ok, expected, actual: `accepts connections, encoding ${encoding}` }
  } catch (error) {
    if (context.signal.aborted) throw error
    return { name: 'engine', ok: false, expected, actual: messageOf(error) }
  }
}

/** Counts, or at depth `full` digests and definitions, against what the manifest says of the snapshot. */
export async function contentAssertions(
  config: LogicalSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  target: Target,
  depth: VerifyOptions['depth'],
): Promise<Assertion[]> {
  const expected = manifest.content
  if (!expected && manifest.adopted) return [await everythingReads(context, target, depth)]
  if (!expected) return [{ name: 'content', ok: false, expected: 'recorded in the manifest', actual: 'not recorded' }]
  const { selection } = recordedIn(manifest)
  const actual = await withReaders(target.connection, { count: 2, signal: context.signal }, ({ clients }) =>
    contentOf(clients, {
      carried: 'logical',
      depth: depth === 'full' ? 'digests' : 'counts',
      signal: context.signal,
      selection,
      // What the capture could not compare is not compared: a stale view, an unlogged table of a replica.
      tables: ({ name, kind, unlogged }) => expected.tables[name] !== undefined || (kind === 'table' && !unlogged),
      ...(depth === 'full' && expected.schema ? { schema: { connection: target.connection, binDir: config.binDir } } : {}),
      onTable: () => context.onProgress({ phase: 'compare' }),
    }),
  )
  const rows = Object.keys(expected.tables).length > 0 || Object.keys(expected.sequences).length > 0 || expected.largeObjects.count > 0
  // A point of definitions alone has empty tables on purpose.
  const compared = rows ? actual : { ...actual, tables: {}, sequences: {} }
  return compareContent(expected, compared, { sequences: 'equal', depth: depth === 'full' ? 'digests' : 'counts' })
}

/** Nobody recorded what was in it when it was taken: the proof says so, and that all of it can be read. */
async function everythingReads(
  { signal, onProgress }: DriverContext,
  { connection }: Target,
  depth: VerifyOptions['depth'],
): Promise<Assertion> {
  const { tables, largeObjects } = await withReaders(connection, { count: 2, signal }, ({ clients }) =>
    contentOf(clients, {
      carried: 'logical',
      depth: depth === 'full' ? 'digests' : 'counts',
      signal,
      onTable: () => onProgress({ phase: 'read' }),
    }),
  )
  const rows = Object.values(tables).reduce((sum, table) => sum + table.rows, 0)
  return {
    name: 'content (not compared: not recorded when it was taken)',
    ok: true,
    expected: 'everything can be read',
    actual: `${Object.keys(tables).length} tables with ${rows} rows, ${largeObjects.count} large objects`,
  }
}
