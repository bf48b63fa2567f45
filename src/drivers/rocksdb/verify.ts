/** Every assertion of a proof, on a copy that a restore filled: its files, that it opens, that all of it can be read. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import { describe } from '../../process/command.ts'
import { run } from '../../process/run.ts'
import { digestOfFile } from '../common/file-digest.ts'
import type { DriverContext, Target, UserAssertion } from '../driver.ts'
import type { RocksdbSourceConfig } from './config.ts'
import { type FoundFile, filesOf, noFolder, wholeDigest } from './files.ts'
import { columnFamiliesOf, estimatedKeys, type Ldb, readAll, valueUnder } from './ldb.ts'
import { exists, shareFiles } from './places.ts'

export interface Depth {
  depth: 'restore' | 'full'
}

export async function verify(
  config: RocksdbSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  target: Target,
  { depth, assertions }: Depth & { assertions: readonly UserAssertion[] },
): Promise<Assertion[]> {
  const folder = target.connection
  const found = await folderAssertions(config, context, manifest, folder, { depth })
  for (const assertion of assertions) found.push(await asked(config, context, folder, assertion))
  return found
}

/** Without the user's questions: what has to be true of a copy before it takes the place of anything. */
export async function folderAssertions(
  config: RocksdbSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  folder: string,
  { depth }: Depth,
): Promise<Assertion[]> {
  if (!(await exists(folder))) return [{ name: 'folder', ok: false, expected: folder, actual: noFolder(folder).message }]
  return [...(await filesEqual(manifest, folder, depth, context)), ...(await opens(config, context, manifest, folder))]
}

/** Names and sizes; at depth `full` the content of each, and of the whole. */
async function filesEqual(manifest: Manifest, folder: string, depth: Depth['depth'], context: DriverContext): Promise<Assertion[]> {
  const there = await filesOf(folder)
  const digests = new Map<string, string>()
  if (depth === 'full') {
    for (const { name } of there) {
      context.onProgress({ phase: 'compare', parts: digests.size })
      digests.set(name, await digestOfFile(join(folder, name), context.signal))
    }
  }
  const wrong = differences(manifest, there, digests)
  const expected = `${manifest.fileCount} files, ${manifest.sizeBytes} bytes, as captured`
  const files = { name: 'files', ok: wrong.length === 0, expected, actual: wrong.length === 0 ? expected : wrong.slice(0, MOST).join('; ') }
  if (depth === 'restore') return [files]
  const checksum = String(manifest.inventory?.['folder']?.['checksum'] ?? 'not recorded')
  const actual = wholeDigest(there.map(({ name }) => ({ name, blake3: digests.get(name) ?? '' })))
  return [files, { name: 'checksum', ok: checksum === actual, expected: checksum, actual }]
}
/** Files that a proof names. */
const MOST = 20

function differences({ artifacts }: Manifest, there: readonly FoundFile[], digests: ReadonlyMap<string, string>): string[] {
  const left = new Map(there.map((file) => [file.name, file]))
  const wrong = artifacts.flatMap(({ part, plainBytes, contentBlake3 }) => {
    const file = left.get(part)
    left.delete(part)
    if (!file) return [`${part} is missing`]
    if (file.bytes !== plainBytes) return [`${part} has ${file.bytes} bytes instead of ${plainBytes}`]
    return digests.size > 0 && digests.get(part) !== contentBlake3 ? [`${part} has another content`] : []
  })
  return [...wrong, ...[...left.keys()].map((name) => `${name} is not of the point`)]
}

async function opens(config: RocksdbSourceConfig, context: DriverContext, manifest: Manifest, folder: string): Promise<Assertion[]> {
  const { openCheck, programs, columnFamilies } = config
  if (openCheck !== 'ldb') return [await programSays('opens', openCheck, folder, context)]
  const on: Ldb = { program: programs.ldb, db: folder, signal: context.signal }
  const recorded = Object.keys(manifest.inventory ?? {}).flatMap((thing) => /^column family (.*)$/s.exec(thing)?.[1] ?? [])
  const expected = [...new Set([...recorded, ...columnFamilies])].sort()
  try {
    const found = (await columnFamiliesOf(on)).sort()
    const opened: Assertion[] = [
      {
        name: 'opens read-only',
        ok: expected.join() === found.join(),
        expected: `column families ${expected.join(', ')}`,
        actual: `column families ${found.join(', ')}`,
      },
    ]
    for (const family of found) opened.push(...(await familyReads(on, family, manifest, context)))
    return opened
  } catch (error) {
    return [{ name: 'opens read-only', ok: false, expected: `column families ${expected.join(', ')}`, actual: damage(error, context) }]
  }
}

async function familyReads(on: Ldb, family: string, manifest: Manifest, context: DriverContext): Promise<Assertion[]> {
  context.onProgress({ phase: `read ${family}` })
  const name = `column family ${family}`
  const recorded = manifest.inventory?.[name]?.['estimated keys']
  const expected = `about ${recorded ?? 'an unknown number of'} keys by the engine's count`
  const { keys, problem } = await readAll(on, family)
  const reads = {
    name: `all of ${family}`,
    ok: problem === undefined,
    expected: 'every key and value can be read',
    actual: problem ?? `${keys} keys read`,
  }
  try {
    const estimate = await estimatedKeys(on, family)
    return [{ name, ok: estimate === recorded, expected, actual: `about ${estimate} keys by the engine's count` }, reads]
  } catch (error) {
    return [{ name, ok: false, expected, actual: damage(error, context) }, reads]
  }
}

/** Damage that is found is a result. */
function damage(error: unknown, { signal }: DriverContext): string {
  if (signal.aborted || !(error instanceof HoldfastError) || error.code !== 'INTEGRITY') throw error
  return error.message
}

async function asked(config: RocksdbSourceConfig, context: DriverContext, folder: string, question: UserAssertion): Promise<Assertion> {
  const { name, run: program } = question
  if (Array.isArray(program)) return programSays(name, program.map(String), folder, context)
  const expected = String(question['equals'])
  try {
    const on = { program: config.programs.ldb, db: folder, signal: context.signal }
    const value = await valueUnder(on, String(question['columnFamily'] ?? 'default'), hexOf(String(question['get'])))
    return { name, ok: value === hexOf(expected), expected, actual: value === undefined ? 'no such key' : shown(value, expected) }
  } catch (error) {
    if (context.signal.aborted) throw error
    return { name, ok: false, expected, actual: messageOf(error) }
  }
}

/** `0x…` as ldb writes it, else the text's own bytes. */
const hexOf = (text: string): string => (/^0x([0-9a-f]{2})*$/i.test(text) ? text.slice(2).toLowerCase() : Buffer.from(text).toString('hex'))
const shown = (hex: string, like: string): string => (like.startsWith('0x') ? `0x${hex}` : Buffer.from(hex, 'hex').toString()).slice(0, 300)

/** On a copy of the copy, which it may write to. */
async function programSays(name: string, command: readonly string[], folder: string, { signal }: DriverContext): Promise<Assertion> {
  const own = `${folder}-asked`
  const [program = '', ...args] = command.map((word) => word.replaceAll('{path}', own))
  const expected = 'ends with 0'
  try {
    await rm(own, { recursive: true, force: true })
    const names = (await filesOf(folder)).map((file) => file.name)
    await shareFiles(names, folder, own)
    const { durationMs } = await run({ program, args }, { signal, timeoutMs: LONGEST_MS })
    return { name, ok: true, expected, actual: `ended with 0 after ${(durationMs / 1000).toFixed(1)} s` }
  } catch (error) {
    if (signal.aborted) throw error
    return { name, ok: false, expected, actual: `${describe({ program, args })}: ${messageOf(error)}` }
  } finally {
    await rm(own, { recursive: true, force: true })
  }
}
const LONGEST_MS = 3_600_000
