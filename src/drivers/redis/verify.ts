/** Every assertion of a proof, on a scratch server that a restore filled. */
import { link } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Assertion, Inventory, Manifest } from '../../core/records.ts'
import type { DriverContext, Target, UserAssertion } from '../driver.ts'
import { checkRdb } from './check.ts'
import type { RedisSourceConfig } from './config.ts'
import { type Client, infoOf } from './connect.ts'
import { compareInventories } from './facts.ts'
import { rowsOf } from './graph-read.ts'
import { inventoryOf } from './inventory.ts'
import { databasesOf } from './restore.ts'
import { makeScratch, rdbOf, resumeScratch, startScratch, withScratch, destroyScratch } from './scratch.ts'

export interface VerifyOptions {
  depth: 'restore' | 'full'
  assertions: readonly UserAssertion[]
}

export async function verify(
  config: RedisSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  { dir }: Target,
  { depth, assertions }: VerifyOptions,
): Promise<Assertion[]> {
  const started = await engineStarts(config, context, manifest, dir)
  const checked = depth === 'full' ? [await rdbAssertion(config, context, manifest, dir)] : []
  if (!started.ok) return [started, ...checked]
  const look = {
    depth: depth === 'full' ? 'digests' : 'counts',
    signal: context.signal,
    onProgress: (phase: string) => context.onProgress({ phase }),
  } as const
  const held = await withScratch(dir, async (client) => ({ found: await inventoryOf(client, look), engine: await engineOf(client) })).catch(
    (error: unknown) => {
      if (context.signal.aborted) throw error
      return messageOf(error)
    },
  )
  if (typeof held === 'string') return [started, ...checked, { name: 'contents', ok: false, expected: 'readable', actual: held }]
  const expected = await expectedOf(config, context, manifest, { dir, depth, engine: held.engine })
  return [started, ...checked, ...compareInventories(expected, held.found), ...(await userAssertions(dir, assertions))]
}

export const engineOf = async (client: Client): Promise<string> => (await infoOf(client, 'server'))['redis_version'] ?? ''

async function engineStarts(config: RedisSourceConfig, context: DriverContext, manifest: Manifest, dir: string): Promise<Assertion> {
  const expected = `loads what ${manifest.versions['redis'] ?? 'the source'} has saved`
  try {
    await resumeScratch(config, dir, context.signal)
    return { name: 'engine', ok: true, expected, actual: expected }
  } catch (error) {
    if (context.signal.aborted) throw error
    return { name: 'engine', ok: false, expected, actual: messageOf(error) }
  }
}

/** The engine's own check, of the very file. */
async function rdbAssertion(config: RedisSourceConfig, context: DriverContext, manifest: Manifest, dir: string): Promise<Assertion> {
  const words = ({ bytes, keys, expires }: { bytes?: unknown; keys?: unknown; expires?: unknown } = {}) =>
    `${bytes} bytes, ${keys} keys, ${expires} of them end`
  const expected = words(manifest.inventory?.['rdb'])
  try {
    const actual = words(await checkRdb(config.programs.checkRdb, rdbOf(dir), context.signal))
    return { name: 'redis-check-rdb', ok: actual === expected, expected, actual }
  } catch (error) {
    if (context.signal.aborted || (error instanceof HoldfastError && error.code === 'TOOL_MISSING')) throw error
    return { name: 'redis-check-rdb', ok: false, expected, actual: messageOf(error) }
  }
}

/**
 * What the capture saw. Digests of a server are compared with those of the same version; where another made them, or the
 * RDB was not loaded then, with those of the very file, loaded once more.
 */
export async function expectedOf(
  config: RedisSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  { dir, depth, engine }: { dir: string; depth: VerifyOptions['depth']; engine: string },
): Promise<Inventory> {
  const { rdb: _, ...recorded } = manifest.inventory ?? {}
  const counts = Object.fromEntries(Object.entries(recorded).filter(([entry]) => depth === 'full' || entry !== 'content'))
  const known = recorded['functions'] !== undefined
  if (known && (depth === 'restore' || recorded['content']?.['engine'] === engine)) return counts
  const loaded = await loadedAgain(config, context, manifest, dir, depth)
  return known ? { ...counts, ...(loaded['content'] && { content: loaded['content'] }) } : loaded
}

async function loadedAgain(
  config: RedisSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  dir: string,
  depth: VerifyOptions['depth'],
): Promise<Inventory> {
  const again = join(dir, 'again')
  await makeScratch(again)
  try {
    await link(rdbOf(dir), rdbOf(again))
    await startScratch({ config, dir: again, databases: databasesOf(manifest), tied: true, signal: context.signal })
    return await withScratch(again, (client) =>
      inventoryOf(client, { depth: depth === 'full' ? 'digests' : 'counts', signal: context.signal }),
    )
  } finally {
    await destroyScratch(again)
  }
}

async function userAssertions(dir: string, assertions: readonly UserAssertion[]): Promise<Assertion[]> {
  const results: Assertion[] = []
  for (const assertion of assertions) {
    const expected = 'cypher' in assertion ? 'true' : String(assertion['equals'])
    const actual = await withScratch(dir, (client) => ask(client, assertion)).catch(messageOf)
    results.push({ name: assertion.name, ok: actual === expected, expected, actual })
  }
  return results
}

async function ask(client: Client, assertion: UserAssertion): Promise<string> {
  const db = Number(assertion['db'] ?? 0)
  if (assertion['cypher'] !== undefined) {
    const rows = await rowsOf(client, { db, name: String(assertion['graph']) }, String(assertion['cypher']))
    return rows.length === 1 && rows[0]?.length === 1 ? String(rows[0][0]?.[1]) : `${rows.length} rows instead of one boolean`
  }
  const [command = '', ...words] = assertion['command'] as string[]
  await client.select(db)
  const reply = await client.call(command, ...words)
  return typeof reply === 'string' || reply === null ? String(reply) : JSON.stringify(reply)
}
