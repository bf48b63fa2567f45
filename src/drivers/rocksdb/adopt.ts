/** Backups of a store's own manager, `<id>/data` beside `<id>/metadata.json`, as points: what the metadata says is taken over. */
import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { z } from 'zod'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { POINT_KINDS } from '../../core/ids.ts'
import { isOfFile, requirePaths, statOn } from '../common/files-below.ts'
import type { Adoption, ArtifactSink, Captured, DriverContext, FoundBackup, FoundBackups } from '../driver.ts'
import { capture } from './capture.ts'
import type { RocksdbSourceConfig } from './config.ts'
import { bytesOfAll, type DigestedFile, filesOf, wholeDigest } from './files.ts'
import { columnFamiliesOf, ldbVersion } from './ldb.ts'
import { exists } from './places.ts'

const NAME = 'metadata.json'
const metadataSchema = z.looseObject({
  id: z.string().min(1),
  backup_type: z.string().optional(),
  created_at: z.iso.datetime({ offset: true }),
  size_bytes: z.number().nullish(),
  file_count: z.number().nullish(),
  checksum: z.string().nullish(),
  description: z.string().nullish(),
  schema_version: z.union([z.string(), z.number()]).nullish(),
  tags: z.array(z.string()).nullish(),
})
type Metadata = z.infer<typeof metadataSchema>

export function createAdoption(config: RocksdbSourceConfig): Adoption {
  return {
    find: (context, from, known) => find(config, context, from, known),
    take: (context, backup, id, sink) => take(config, context, backup, { id, sink }),
  }
}

async function find(
  config: RocksdbSourceConfig,
  context: DriverContext,
  from: readonly string[],
  known: ReadonlySet<string>,
): Promise<FoundBackups> {
  const found: FoundBackups = { backups: [], already: 0, left: [] }
  const seen = new Set(known)
  for (const folder of await foldersIn(from)) {
    try {
      const backup = await describe(config, context, folder)
      if (seen.has(backup.origin)) found.already += 1
      else found.backups.push(backup)
      seen.add(backup.origin)
    } catch (error) {
      found.left.push(leftFor(error, folder, context))
    }
  }
  found.backups.sort((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt))
  return found
}

/** What is wrong with one folder is said of that folder; what is wrong with the worker ends the search. */
function leftFor(error: unknown, folder: string, { signal }: DriverContext): FoundBackups['left'][number] {
  const ofFolder = isOfFile(error) || (error instanceof HoldfastError && error.code !== 'TOOL_MISSING')
  if (signal.aborted || !ofFolder) throw error
  return { from: folder, why: messageOf(error), broken: !(error instanceof HoldfastError) || error.code !== 'INPUT_INVALID' }
}

/** Each is a backup itself, or a folder of backups. */
async function foldersIn(paths: readonly string[]): Promise<string[]> {
  const found = new Set<string>()
  for (const path of requirePaths(paths)) {
    await statOn(path)
    const inside = (await exists(join(path, NAME))) ? [path] : (await readdir(path)).sort().map((name) => join(path, name))
    for (const folder of inside) found.add(folder)
  }
  return [...found]
}

async function describe(config: RocksdbSourceConfig, context: DriverContext, folder: string): Promise<FoundBackup> {
  context.onProgress({ phase: `look at ${basename(folder)}` })
  const metadata = await metadataOf(folder)
  if (Date.parse(metadata.created_at) > Date.now())
    throw new HoldfastError('SOURCE_UNFIT', `its created_at, ${metadata.created_at}, is in the future`, { object: folder })
  const data = join(folder, 'data')
  const { files, concatenated } = await digestsOf(data, context)
  if (config.openCheck === 'ldb') await columnFamiliesOf({ program: config.programs.ldb, db: data, signal: context.signal })
  const { id, backup_type, description, schema_version, tags } = metadata
  const createdAt = new Date(metadata.created_at).toISOString()
  return {
    origin: originOf(id, wholeDigest(files)),
    from: folder,
    // Retention takes a pre_restore for what a restore of Holdfast replaced, and lets it go soon.
    kind: POINT_KINDS.find((kind) => kind === backup_type && kind !== 'pre_restore') ?? 'adopted',
    createdAt,
    completedAt: createdAt,
    description: [description, `adopted from ${folder}`].filter(Boolean).join('; '),
    tags: [...new Set(['adopted', ...(tags ?? [])])],
    ...(schema_version != null && { schemaVersion: schema_version }),
    sizeBytes: bytesOfAll(files),
    warnings: differences(metadata, files, concatenated),
  }
}

/** Two backups of a store that did not change have the same files. */
const originOf = (id: string, whole: string): string => `${id} ${whole}`

/** INPUT_INVALID for what was never meant as a backup. */
async function metadataOf(folder: string): Promise<Metadata> {
  const path = join(folder, NAME)
  const meant = await exists(join(folder, 'data')).catch(() => false)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new HoldfastError(meant ? 'SOURCE_UNFIT' : 'INPUT_INVALID', `it has no ${NAME} that can be read: ${error.code}`, { object: path })
  })
  try {
    return metadataSchema.parse(JSON.parse(text))
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : messageOf(error)
    throw new HoldfastError('SOURCE_UNFIT', `its ${NAME} does not describe a backup: ${why}`, { object: path, cause: error })
  }
}

/** Of each file, and of all of them one after the other: read once. */
async function digestsOf(folder: string, { signal, onProgress }: DriverContext): Promise<{ files: DigestedFile[]; concatenated: string }> {
  const all = new Blake3Hasher()
  const files: DigestedFile[] = []
  for (const file of await filesOf(folder)) {
    const own = new Blake3Hasher()
    for await (const chunk of createReadStream(join(folder, file.name), { highWaterMark: 1024 * 1024, signal })) {
      own.update(chunk as Buffer)
      all.update(chunk as Buffer)
    }
    files.push({ ...file, blake3: own.digest('hex') })
    onProgress({ phase: 'look', parts: files.length })
  }
  return { files, concatenated: all.digest('hex') }
}

/** How its program computes a checksum is its own affair: what fits neither of the usual ways may be damaged, or computed in another. */
function differences({ checksum, size_bytes, file_count }: Metadata, files: readonly DigestedFile[], concatenated: string): string[] {
  const bytes = bytesOfAll(files)
  const counted =
    (size_bytes ?? bytes) === bytes && (file_count ?? files.length) === files.length
      ? []
      : [
          `its ${NAME} says ${file_count ?? 'nothing of'} files and ${size_bytes ?? 'nothing of'} bytes, and there are ${files.length} of ${bytes} bytes`,
        ]
  if (checksum == null) return [...counted, `its ${NAME} has no checksum: nothing shows that its files are those that were taken`]
  if ([concatenated, wholeDigest(files)].includes(checksum.replace(/^blake3:/, '').toLowerCase())) return counted
  return [
    ...counted,
    `its checksum ${checksum} could not be compared: it is neither the BLAKE3 of its files in their order nor that of their list`,
  ]
}

async function take(
  config: RocksdbSourceConfig,
  context: DriverContext,
  { from, origin, kind, createdAt, warnings }: FoundBackup,
  { id, sink }: { id: string; sink: ArtifactSink },
): Promise<Captured & { versions: Record<string, string> }> {
  const metadata = await metadataOf(from)
  const snapshot = { checkpoint: join(from, 'data'), at: createdAt }
  const captured = await capture(config, context, { id, kind, attempt: 1, snapshot }, sink)
  if (originOf(metadata.id, String(captured.inventory?.['folder']?.['checksum'])) !== origin)
    throw new HoldfastError('INTEGRITY', `${from} is not what it was when it was looked at`, {
      object: from,
      next: 'wait until nobody writes to it, and start the adoption again',
    })
  const ldb = await ldbVersion({ program: config.programs.ldb, signal: context.signal })
  return { ...captured, warnings: [...warnings, ...captured.warnings], versions: { ...versionsIn(metadata), ldb } }
}

/** `meridian_version` and its like. */
function versionsIn(metadata: Metadata): Record<string, string> {
  const entries = Object.entries(metadata).flatMap(([key, value]) => {
    const name = /^(.+)_version$/.exec(key)?.[1]
    return name && name !== 'schema' && typeof value === 'string' ? [[name, value] as const] : []
  })
  return Object.fromEntries(entries)
}
