/** Every assertion of a proof: the index is the one that was captured, and the objects in the folder are those of the index. */
import { lstat, opendir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import { digestOfFile } from '../common/file-digest.ts'
import type { DriverContext, Target, UserAssertion } from '../driver.ts'
import type { Origin } from './client.ts'
import { copiesOf } from './copies.ts'
import type { Packed } from './entries.ts'
import { entriesIn, INDEX } from './indexed.ts'
import { indexIn, objectsIn, pathOf } from './places.ts'
import { contentLine } from './tally.ts'
import { lookAtCopies, lookupIn } from './verify-copies.ts'

export interface VerifyOptions {
  depth: 'restore' | 'full'
  assertions: readonly UserAssertion[]
}

export async function verify(
  origin: Origin,
  context: DriverContext,
  manifest: Manifest,
  { dir }: Pick<Target, 'dir'>,
  { depth, assertions }: VerifyOptions,
): Promise<Assertion[]> {
  try {
    const index = await indexAssertion(manifest, dir, context)
    // Everything else is compared with it.
    if (!index.ok) return [index]
    const copies = copiesOf(origin, manifest)
    const { found, read } = copies
      ? await lookAtCopies(copies, manifest, dir, depth, context)
      : { found: await look(dir, depth, context), read: undefined }
    const lookup = copies ? lookupIn(copies, dir, context) : lookupAt(objectsIn(dir))
    const asked: Assertion[] = []
    for (const assertion of assertions) asked.push(await ask(dir, lookup, assertion, context))
    return [index, ...compare(manifest, found, copies ? 'full' : depth), ...(read ? [read] : []), ...asked]
  } catch (error) {
    throw context.signal.aborted ? new HoldfastError('CANCELLED', 'the proof was cancelled', { object: dir, cause: error }) : error
  }
}

const equal = (name: string, expected: string, actual: string): Assertion => ({ name, ok: expected === actual, expected, actual })

async function indexAssertion({ artifacts }: Manifest, dir: string, context: DriverContext): Promise<Assertion> {
  const expected = artifacts.find(({ part }) => part === INDEX)?.contentBlake3 ?? 'an index'
  return equal('index', expected, await digestOfFile(indexIn(dir), context.signal).catch(messageOf))
}

export interface Found {
  files: number
  bytes: number
  contents: string
  /** The first that is not as the index says. */
  differs: string | undefined
}

/** In the order of the index, so that nothing has to be remembered; the files are counted by themselves, for those that are too many. */
async function look(dir: string, depth: 'restore' | 'full', context: DriverContext): Promise<Found> {
  const contents = new Blake3Hasher()
  let [bytes, parts] = [0, 0]
  let differs: string | undefined
  for await (const { key, size, blake3: wanted } of entriesIn<Packed>(indexIn(dir))) {
    context.signal.throwIfAborted()
    const path = join(objectsIn(dir), pathOf(key))
    const found = (await lstat(path).catch(() => undefined))?.size
    const blake3 = found === undefined || depth === 'restore' ? wanted : await digestOfFile(path, context.signal)
    if (found !== size || blake3 !== wanted) differs ??= key
    contents.update(contentLine({ key, size: found ?? -1, blake3 }))
    bytes += found ?? 0
    parts += 1
    context.onProgress({ phase: 'verify', parts, bytes })
  }
  return { files: await countFiles(objectsIn(dir), context), bytes, contents: contents.digest('hex'), differs }
}

async function countFiles(folder: string, context: DriverContext): Promise<number> {
  let files = 0
  for await (const entry of await opendir(folder, { recursive: true })) {
    context.signal.throwIfAborted()
    if (!entry.isDirectory()) files += 1
  }
  return files
}

function compare({ inventory }: Manifest, { files, bytes, contents, differs }: Found, depth: 'restore' | 'full'): Assertion[] {
  const wanted = inventory?.['objects'] ?? {}
  const digest = equal('contents', String(wanted['contents']), contents)
  return [
    equal('objects', String(wanted['count']), String(files)),
    equal('bytes', String(wanted['bytes']), String(bytes)),
    ...(depth === 'full' || !digest.ok ? [differs === undefined ? digest : { ...digest, actual: `${contents}: ${differs} differs` }] : []),
  ]
}

/** What was restored, by its keys. */
export interface Lookup {
  size(key: string): Promise<number | undefined>
  text(key: string): Promise<string>
}

const lookupAt = (folder: string): Lookup => ({
  size: async (key) => (await lstat(join(folder, pathOf(key))).catch(() => undefined))?.size,
  text: (key) => readFile(join(folder, pathOf(key)), 'utf8'),
})

/** A question that cannot be answered is one that does not hold. */
async function ask(
  dir: string,
  lookup: Lookup,
  { name, key, prefix, bytes, text, atLeast }: UserAssertion,
  context: DriverContext,
): Promise<Assertion> {
  if (typeof prefix === 'string') {
    let found = 0
    for await (const entry of entriesIn(indexIn(dir))) {
      context.signal.throwIfAborted()
      if (entry.key.startsWith(prefix)) found += 1
    }
    return { name, ok: found >= Number(atLeast), expected: `at least ${String(atLeast)} below ${prefix}`, actual: String(found) }
  }
  const size = await lookup.size(String(key))
  if (size === undefined) return { name, ok: false, expected: `${String(key)} is there`, actual: 'it is not there' }
  if (bytes !== undefined && bytes !== size) return equal(name, `${String(bytes)} bytes`, `${size} bytes`)
  if (typeof text !== 'string') return { name, ok: true, expected: `${String(key)} is there`, actual: `${size} bytes` }
  // One that is larger than what is asked for is not it, and need not fit into memory.
  if (size !== Buffer.byteLength(text)) return equal(name, text, `${size} bytes`)
  return equal(name, text, await lookup.text(String(key)))
}
