/** Every assertion of a proof: the files as they were captured, the engine's own check, and a node that runs on them. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import { run } from '../../process/run.ts'
import type { DriverContext, Target, UserAssertion } from '../driver.ts'
import { ask, commandOf } from './cluster.ts'
import type { RaftClusterConfig } from './config.ts'
import { bytesOf, digestOf, type Listed, listingScript, readListing } from './listing.ts'
import { nodesOf, type Origin } from './node.ts'
import { fact } from './parts.ts'
import { dataIn, layoutOf } from './places.ts'
import { type Alone, startNode } from './scratch.ts'

export interface Asked {
  depth: 'restore' | 'full'
  assertions: readonly UserAssertion[]
}

export async function verify(
  { config }: Origin,
  context: DriverContext,
  manifest: Manifest,
  { dir }: Target,
  { assertions }: Asked,
): Promise<Assertion[]> {
  const found = [...(await filesEqual(config, context, manifest, dataIn(dir))), await checksums(config, context, dataIn(dir))]
  if (!config.scratch) return [...found, NOT_STARTED, ...assertions.map(({ name }) => unasked(name))]
  const node = await started(config, context, dir)
  if (!('alone' in node)) return [...found, node.red, ...assertions.map(({ name }) => ({ ...node.red, name }))]
  found.push({ name: 'node', ok: true, expected: 'it starts on a copy and leads', actual: 'it starts on a copy and leads' })
  found.push(await totalEntries(node.alone, context, manifest))
  for (const assertion of assertions) found.push(await answered(node.alone, context, assertion))
  return found
}

const OFFLINE = 'files are checked and no node is started: the source has no scratch.start'
const NOT_STARTED: Assertion = { name: 'node', ok: true, expected: OFFLINE, actual: OFFLINE }
const unasked = (name: string): Assertion => ({ name, ok: false, expected: 'an answer', actual: `not asked: ${OFFLINE}` })

/** Each file by its digest: of a snapshot that is the content itself. */
async function filesEqual(
  config: RaftClusterConfig,
  { signal, onProgress }: DriverContext,
  manifest: Manifest,
  data: string,
): Promise<Assertion[]> {
  onProgress({ phase: 'compare' })
  const files = await listData(config, data, signal)
  const [count, bytes, sha256] = ['count', 'bytes', 'sha256'].map((name) => String(fact(manifest, 'files', name)))
  const said = `${files.length} files, ${bytesOf(files)} bytes`
  const expected = `${count} files, ${bytes} bytes`
  const actual = digestOf(files)
  return [
    { name: 'files', ok: said === expected, expected, actual: said },
    { name: 'checksum', ok: actual === sha256, expected: String(sha256), actual },
  ]
}

/** By the names that they have in a point. */
export async function listData(config: RaftClusterConfig, data: string, signal: AbortSignal): Promise<Listed[]> {
  const files: Listed[] = []
  for (const [part, place] of Object.entries(layoutOf(config))) {
    const folder = join(data, place)
    const there = await stat(folder).catch(() => undefined)
    if (!there) continue
    const { stdout } = await run(
      { program: 'sh', args: ['-c', `set -e; ${listingScript(folder)}`] },
      { signal, maxOutputBytes: LISTING_BYTES },
    )
    files.push(...readListing(stdout).map((file) => ({ ...file, name: `${part}/${file.name}` })))
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1))
}
const LISTING_BYTES = 256 * 1024 * 1024

/** What the engine itself says of the files. */
async function checksums(config: RaftClusterConfig, { signal }: DriverContext, data: string): Promise<Assertion> {
  const name = 'verify-checksums'
  const expected = 'ends with 0'
  try {
    await run(commandOf(config, 'verifyChecksums', { dataDir: data }), { signal, timeoutMs: LONGEST_MS })
    return { name, ok: true, expected, actual: expected }
  } catch (error) {
    if (signal.aborted || (error instanceof HoldfastError && error.code === 'TOOL_MISSING')) throw error
    return { name, ok: false, expected, actual: messageOf(error) }
  }
}
const LONGEST_MS = 6 * 3_600_000

async function started(
  config: RaftClusterConfig,
  { signal, onProgress }: DriverContext,
  dir: string,
): Promise<{ alone: Alone } | { red: Assertion }> {
  onProgress({ phase: 'start a node' })
  try {
    return { alone: await startNode(config, dir, signal) }
  } catch (error) {
    if (signal.aborted || (error instanceof HoldfastError && error.code === 'TOOL_MISSING')) throw error
    return { red: { name: 'node', ok: false, expected: 'it starts on a copy and leads', actual: messageOf(error) } }
  }
}

/** Of a hot snapshot the cluster says only what there was before it and after it; of a cold one both are the same. */
async function totalEntries(alone: Alone, { signal }: DriverContext, manifest: Manifest): Promise<Assertion> {
  const [least, most] = ['entries at least', 'entries at most'].map((name) => Number(fact(manifest, 'snapshot', name)))
  const expected = least === most ? String(least) : `${least} to ${most}`
  const name = 'total_entries'
  try {
    const actual = await entriesOf(alone, nodesOf(alone)[0].addr, signal)
    return { name, ok: actual >= (least ?? 0) && actual <= (most ?? 0), expected, actual: String(actual) }
  } catch (error) {
    if (signal.aborted) throw error
    return { name, ok: false, expected, actual: messageOf(error) }
  }
}

/** What `stats` says of one node. */
export async function entriesOf(config: RaftClusterConfig, addr: string, signal?: AbortSignal): Promise<number> {
  const said = await ask(config, 'stats', { addr }, signal)
  const entries = /^total_entries[\s:=]+(\d+)\s*$/m.exec(said)?.[1]
  if (entries !== undefined) return Number(entries)
  throw new HoldfastError('SOURCE_UNFIT', `commands.stats printed no total_entries: ${said.slice(0, 300)}`, { object: addr })
}

async function answered(alone: Alone, { signal }: DriverContext, { name, query, equals }: UserAssertion): Promise<Assertion> {
  const expected = String(equals)
  try {
    const actual = (await ask(alone, 'query', { addr: nodesOf(alone)[0].addr, sql: String(query) }, signal)).trim()
    return { name, ok: actual === expected, expected, actual }
  } catch (error) {
    if (signal.aborted) throw error
    return { name, ok: false, expected, actual: messageOf(error) }
  }
}
