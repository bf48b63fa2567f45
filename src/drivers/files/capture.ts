/** One capture: the tree as a tar stream and its index, both stored as they pass; nothing of it stands on a disk meanwhile. */
import { PassThrough, Readable } from 'node:stream'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact } from '../../core/records.ts'
import { orCancelled } from '../common/cancelled.ts'
import type { ArtifactSink, Captured, CaptureRequest, DriverContext } from '../driver.ts'
import { type Archived, archive, type Left } from './archive.ts'
import type { FilesSourceConfig } from './config.ts'
import { createCount, type Counts, inventoryOf } from './count.ts'
import { type Entry, lineOf } from './entries.ts'
import { commitTree, repositoryOf, stateOf } from './git.ts'
import { type InnerEncryption, wrapped } from './gpg.ts'
import { listed } from './names.ts'
import { selectionOf } from './selection.ts'
import { nothingPassed, type Passed, walk } from './walk.ts'

export const TREE = 'tree.tar'
export const INDEX = 'index.jsonl'

export async function capture(
  config: FilesSourceConfig,
  context: DriverContext,
  request: CaptureRequest,
  sink: ArtifactSink,
): Promise<Captured> {
  const { root } = config
  const { signal } = context
  try {
    const repository = await repositoryOf(root, signal)
    const warnings = repository && config.git.commit ? (await commitTree(config, repository, request.id, signal)).warnings : []
    const git = repository && (await stateOf(repository, signal))
    const time = new Date().toISOString()
    const taken = await whole(config, context, sink)
    const { counts, indexDigest, artifacts } = taken
    return {
      artifacts,
      consistency: { time, root, ...(git && { git }) },
      inventory: inventoryOf(counts, indexDigest, { passed: taken.passed, found: taken.secrets.length, ...(git && { git }) }),
      sizeBytes: counts.bytes,
      fileCount: counts.files,
      warnings: [...warnings, ...warningsOf(config, taken)],
    }
  } catch (error) {
    throw orCancelled(error, signal, `the capture of ${root}`, root)
  }
}

interface Taken {
  artifacts: Artifact[]
  counts: Counts
  indexDigest: string
  archived: Archived
  passed: Passed
  secrets: Left[]
}

/** Begins anew where a file turned out to hold a secret of which a part had passed: the next pass leaves it out. */
async function whole(config: FilesSourceConfig, context: DriverContext, sink: ArtifactSink): Promise<Taken> {
  const known: Left[] = []
  for (;;) {
    const found: { late?: Left } = {}
    try {
      return await pass(config, context, sink, known, found)
    } catch (error) {
      if (!found.late || context.signal.aborted) throw error
      known.push(found.late)
    }
  }
}

async function pass(
  config: FilesSourceConfig,
  context: DriverContext,
  sink: ArtifactSink,
  known: readonly Left[],
  late: { late?: Left },
): Promise<Taken> {
  const selection = selectionOf(config)
  const passed = nothingPassed()
  const secrets: Left[] = [...known]
  const outcome: { archived?: Archived } = {}
  const index = createIndex(context)
  const failed = new AbortController()
  const signal = AbortSignal.any([context.signal, failed.signal])
  // What went wrong first: all that fails after it was only stopped.
  let first: unknown
  const tree = async function* (): AsyncGenerator<Buffer> {
    try {
      yield* archive(
        {
          root: config.root,
          list: walk(config.root, selection, passed),
          signal,
          leaveOut: new Set(known.map(({ path }) => path)),
          scanned: selection.scanned,
          onEntry: index.add,
          onSecret(left) {
            if (!left.passed) return void secrets.push(left)
            late.late = left
            throw new HoldfastError('SOURCE_UNFIT', `a part of ${listed([left.path])} had passed when a secret was found in it`, {
              object: config.root,
            })
          },
        },
        outcome,
      )
      index.end()
    } catch (error) {
      first ??= error
      index.fail(error)
      throw error
    }
  }
  const part = (name: string, role: string, stream: Readable) => storeWrapped(config, sink, signal, { part: name, role, stream })
  const stop = (error: unknown): never => {
    first ??= error
    failed.abort(error)
    throw error
  }
  const stored = await Promise.allSettled([
    part(TREE, 'tree', Readable.from(tree(), { objectMode: false })).catch(stop),
    part(INDEX, 'index', index.stream).catch(stop),
  ])
  if (first) throw first
  const artifacts = stored.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  if (!outcome.archived) throw new HoldfastError('UNEXPECTED', 'the archive has no end', { object: config.root })
  return { artifacts, counts: index.counts, indexDigest: index.digest(), archived: outcome.archived, passed, secrets }
}

async function storeWrapped(
  { gpg }: FilesSourceConfig,
  sink: ArtifactSink,
  signal: AbortSignal,
  { part, role, stream }: { part: string; role: string; stream: Readable },
): Promise<Artifact> {
  const { stream: packed, chain } = wrapped(stream, gpg, signal)
  try {
    const artifact = await sink.storeStream({ part: gpg ? `${part}.zst.gpg` : part, role, required: true, stream: packed })
    const inner: InnerEncryption | undefined = gpg && { inner: 'gpg', innerRecipients: [...gpg.recipients] }
    return { ...artifact, ...inner }
  } finally {
    stream.destroy()
    await chain?.stop()
  }
}

/** Progress is told after so many bytes or files. */
const TELL_BYTES = 8 * 1024 * 1024
const TELL_FILES = 2000

function createIndex(context: DriverContext) {
  const stream = new PassThrough()
  const hasher = new Blake3Hasher()
  const count = createCount()
  let told = { bytes: 0, files: 0 }
  let digest: string | undefined
  // Whoever stores it hears of a failure; nobody else may have to.
  stream.on('error', () => {})
  context.onProgress({ phase: 'tree', bytes: 0 })
  return {
    stream,
    counts: count.counts,
    async add(entry: Entry): Promise<void> {
      count.add(entry)
      const { bytes, files } = count.counts
      if (bytes - told.bytes > TELL_BYTES || files - told.files > TELL_FILES) {
        told = { bytes, files }
        context.onProgress({ phase: 'tree', bytes })
      }
      const line = lineOf(entry)
      hasher.update(line)
      if (!stream.write(line)) await drain(stream)
    },
    end: () => void stream.end(),
    fail: (error: unknown) => void stream.destroy(error as Error),
    digest: () => (digest ??= hasher.digest('hex')),
  }
}

function drain(stream: PassThrough): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (act: () => void) => () => {
      stream.off('drain', drained).off('close', closed)
      act()
    }
    const drained = done(resolve)
    const closed = done(() => reject(new HoldfastError('PROCESS_FAILED', 'the index is not stored any more')))
    stream.once('drain', drained).once('close', closed)
  })
}

function warningsOf({ include }: FilesSourceConfig, { archived, passed, secrets, counts }: Taken): string[] {
  const { changed, more, vanished, vanishedCount } = archived
  const unmatched = (include ?? []).filter((pattern) => !passed.matched.has(pattern))
  return [
    ...secrets.map(({ path, rule }) => `left out, for it holds a secret (${rule}): ${listed([path])}`),
    ...(changed.length > 0
      ? [`changed while it was read, what is stored is of no one moment: ${listed(changed)}${more ? ', and more' : ''}`]
      : []),
    ...(vanishedCount > 0 ? [`gone before it was read: ${listed(vanished, vanishedCount)}`] : []),
    ...(passed.devices > 0 ? [`left out, for they are devices: ${passed.devices}`] : []),
    ...(unmatched.length > 0 ? [`nothing matches ${unmatched.join(', ')} of include`] : []),
    ...(counts.files === 0 ? ['no file was there to be stored'] : []),
  ]
}
