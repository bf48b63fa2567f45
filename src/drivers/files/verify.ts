/** Every assertion of a proof on a restored tree: it is archived once more, and the two indexes are compared line by line. */
import { messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import { digestOfFile } from '../common/file-digest.ts'
import type { DriverContext, Target, UserAssertion } from '../driver.ts'
import { archive } from './archive.ts'
import { userAssertions } from './assertions.ts'
import { sideBySide } from './compare.ts'
import { type Counts, createCount, recordedCounts } from './count.ts'
import type { Entry } from './entries.ts'
import { entriesIn, recordedDigest } from './fill.ts'
import { type BytePath, listed } from './names.ts'
import { indexIn } from './scratch.ts'
import { EVERYTHING } from './selection.ts'
import { statTree, walk } from './walk.ts'

export interface VerifyOptions {
  depth: 'restore' | 'full'
  assertions: readonly UserAssertion[]
}

export async function verify(context: DriverContext, manifest: Manifest, target: Target, options: VerifyOptions): Promise<Assertion[]> {
  const index = await indexAssertion(manifest, target)
  const content = index.ok
    ? await compared(context, manifest, target, options.depth).catch((error: unknown) => unreadable(context, error))
    : []
  return [index, ...content, ...(await userAssertions(target.connection, options.assertions, context.signal))]
}

function unreadable(context: DriverContext, error: unknown): Assertion[] {
  if (context.signal.aborted) throw error
  return [{ name: 'tree', ok: false, expected: 'readable', actual: messageOf(error) }]
}

async function indexAssertion(manifest: Manifest, { dir }: Target): Promise<Assertion> {
  const expected = recordedDigest(manifest) ?? 'recorded in the manifest'
  const actual = await digestOfFile(indexIn(dir)).catch(messageOf)
  return { name: 'index', ok: actual === expected, expected, actual }
}

async function compared(context: DriverContext, manifest: Manifest, target: Target, depth: VerifyOptions['depth']): Promise<Assertion[]> {
  const { counts, add } = createCount()
  const differences = await differencesOf(entriesIn(indexIn(target.dir)), treeEntries(target.connection, depth, context), { depth, add })
  const recorded = recordedCounts(manifest.inventory)
  return [equal('counts', recorded ? said(recorded) : 'recorded in the manifest', said(counts)), ...differences]
}

/** What stands there: with contents at depth full. */
export async function* treeEntries(root: string, depth: VerifyOptions['depth'], context: DriverContext): AsyncGenerator<Entry> {
  const { signal } = context
  if (depth === 'restore') return yield* statTree(root, EVERYTHING)
  const ready: Entry[] = []
  let seen = 0
  const archiving = archive({ root, list: walk(root, EVERYTHING), signal, onEntry: (entry) => void ready.push(entry) }, {})
  for await (const _ of archiving) {
    seen += ready.length
    if (seen > 2000) context.onProgress({ phase: 'compare' })
    if (seen > 2000) seen = 0
    yield* ready.splice(0)
  }
  yield* ready
}

/** What of two entries of one path is compared, under the name that its assertion has. */
const ASPECTS: Readonly<Record<string, { depths: readonly VerifyOptions['depth'][]; of(entry: Entry): unknown }>> = {
  types: { depths: ['restore', 'full'], of: ({ type, target }) => `${type} ${type === 'link' || type === 'hard link' ? target : ''}` },
  contents: { depths: ['full'], of: ({ size, blake3 }) => `${size} ${blake3}` },
  'modes and owners': { depths: ['full'], of: ({ mode, uid, gid }) => (process.getuid?.() === 0 ? `${mode} ${uid}:${gid}` : `${mode}`) },
  times: { depths: ['full'], of: ({ mtime }) => mtime },
  'attributes and ACLs': { depths: ['full'], of: ({ attributes }) => attributes },
}

interface Found {
  count: number
  paths: BytePath[]
}

/** `whole: false` where only a part was restored: the time of a folder is that of its last change. */
export async function differencesOf(
  wanted: AsyncIterable<Entry>,
  there: AsyncIterable<Entry>,
  { depth, add, whole = true }: { depth: VerifyOptions['depth']; add?(entry: Entry): void; whole?: boolean },
): Promise<Assertion[]> {
  const aspects = Object.entries(ASPECTS).filter(([, { depths }]) => depths.includes(depth))
  const names = ['nothing is missing', 'nothing is added', ...aspects.map(([name]) => name)]
  const found = new Map<string, Found>(names.map((name) => [name, { count: 0, paths: [] }]))
  const note = (name: string, { path }: Entry) => {
    const one = found.get(name)
    if (!one) return
    one.count += 1
    if (one.paths.length < 20) one.paths.push(path)
  }
  for await (const pair of sideBySide(wanted, there)) {
    if (pair.there) add?.(pair.there)
    if (pair.wanted && !pair.there) note('nothing is missing', pair.wanted)
    if (!pair.wanted && pair.there) note('nothing is added', pair.there)
    const { wanted: one, there: other } = pair
    for (const [name, { of }] of aspects) {
      if (!one || !other || (!whole && name === 'times' && one.type === 'folder')) continue
      if (of(comparable(one, depth)) !== of(comparable(other, depth))) note(name, other)
    }
  }
  return [...found].map(([name, { count, paths }]) =>
    equal(name, '0 differ', count === 0 ? '0 differ' : `${count} differ: ${listed(paths, count)}`),
  )
}

/** Without its contents nobody sees which names share a file. */
const comparable = (entry: Entry, depth: VerifyOptions['depth']): Entry =>
  depth === 'restore' && entry.type === 'hard link' ? { ...entry, type: 'file' } : entry

const said = ({ files, folders, links, others, bytes }: Counts) =>
  `${files} files, ${folders} folders, ${links} links, ${others} others, ${bytes} bytes`

const equal = (name: string, expected: string, actual: string): Assertion => ({ name, ok: expected === actual, expected, actual })
