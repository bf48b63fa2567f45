/** The files of a checkpoint, each an artifact; of an incremental only those whose content its base does not have. */
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Inventory, Manifest } from '../../core/records.ts'
import { digestOfFile } from '../common/file-digest.ts'
import type { ArtifactSink, Captured, CaptureRequest, DriverContext } from '../driver.ts'
import type { RocksdbSourceConfig } from './config.ts'
import { bytesOfAll, type FoundFile, filesOf, wholeDigest } from './files.ts'
import { columnFamiliesOf, estimatedKeys, type Ldb } from './ldb.ts'

export async function capture(
  config: RocksdbSourceConfig,
  context: DriverContext,
  { id, base, snapshot }: CaptureRequest,
  sink: ArtifactSink,
): Promise<Captured> {
  const folder = String(snapshot?.['checkpoint'] ?? '')
  const files = await filesOf(folder)
  const totalBytes = bytesOfAll(files)
  const stored = storedContents(base)
  const artifacts: Artifact[] = []
  let bytes = 0
  for (const file of files) {
    context.onProgress({ phase: 'upload', bytes, totalBytes, parts: artifacts.length })
    artifacts.push((await known(folder, file, stored, context)) ?? (await upload(folder, file, sink, context)))
    bytes += file.bytes
  }
  const opened = await familiesOf(
    { program: config.programs.ldb, db: folder, signal: context.signal },
    config,
    snapshot?.['asItIs'] === true,
  )
  return {
    artifacts,
    consistency: { time: String(snapshot?.['at']), snapshot: id },
    inventory: { ...wholeOf(artifacts), ...opened.inventory },
    sizeBytes: totalBytes,
    storedBytes: artifacts.filter(({ key }) => !stored.keys.has(key)).reduce((sum, artifact) => sum + artifact.storedBytes, 0),
    fileCount: files.length,
    warnings: opened.warnings,
  }
}

interface Stored {
  byContent: Map<string, Artifact>
  keys: Set<string>
}

const contentOf = (bytes: number, blake3: string): string => `${bytes} ${blake3}`

/** By size and digest, never by name: a store that was made anew counts its files from the beginning. */
function storedContents(base: Manifest | undefined): Stored {
  const artifacts = (base?.artifacts ?? []).filter(
    ({ plainBytes, contentBlake3 }) => plainBytes !== undefined && contentBlake3 !== undefined,
  )
  return {
    byContent: new Map(artifacts.map((artifact) => [contentOf(artifact.plainBytes ?? 0, artifact.contentBlake3 ?? ''), artifact])),
    keys: new Set(artifacts.map(({ key }) => key)),
  }
}

/** What the base stores already, under the name that it has now. */
async function known(folder: string, { name, bytes }: FoundFile, stored: Stored, { signal }: DriverContext): Promise<Artifact | undefined> {
  if (stored.byContent.size === 0) return undefined
  const found = stored.byContent.get(contentOf(bytes, await digestOfFile(join(folder, name), signal)))
  return found && { ...found, part: name, role: roleOf(name) }
}

async function upload(folder: string, { name, bytes }: FoundFile, sink: ArtifactSink, { signal }: DriverContext): Promise<Artifact> {
  const path = join(folder, name)
  const stream = createReadStream(path, { highWaterMark: 1024 * 1024 })
  try {
    const artifact = await sink.storeStream({ part: name, role: roleOf(name), required: true, stream })
    if (artifact.plainBytes === bytes) return artifact
    throw new HoldfastError('INTEGRITY', `${path} had ${bytes} bytes, ${artifact.plainBytes} were read`, {
      object: path,
      next: 'start the backup again',
    })
  } catch (error) {
    throw signal.aborted ? new HoldfastError('CANCELLED', 'the upload was cancelled', { object: path, cause: error }) : error
  } finally {
    stream.destroy()
  }
}

const ROLES: readonly [RegExp, string][] = [
  [/\.(sst|ldb)$/, 'sst'],
  [/\.blob$/, 'blob'],
  [/\.log$/, 'wal'],
  [/(^|\/)MANIFEST-\d+$/, 'manifest'],
  [/(^|\/)OPTIONS-\d+$/, 'options'],
  [/(^|\/)CURRENT$/, 'current'],
]
const roleOf = (name: string): string => ROLES.find(([shape]) => shape.test(name))?.[1] ?? 'file'

/** What all files together are: compared by every proof. */
function wholeOf(artifacts: readonly Artifact[]): Inventory {
  const files = artifacts.map(({ part, plainBytes = 0, contentBlake3 = '' }) => ({ name: part, bytes: plainBytes, blake3: contentBlake3 }))
  return { folder: { files: files.length, bytes: bytesOfAll(files), checksum: wholeDigest(files) } }
}

/** Opening it for that is a first proof that it opens. */
async function familiesOf(
  on: Ldb,
  { openCheck }: RocksdbSourceConfig,
  broken: boolean,
): Promise<{ inventory: Inventory; warnings: string[] }> {
  if (openCheck !== 'ldb') return { inventory: {}, warnings: [] }
  try {
    const inventory: Inventory = {}
    for (const family of await columnFamiliesOf(on))
      inventory[`column family ${family}`] = { 'estimated keys': await estimatedKeys(on, family) }
    return { inventory, warnings: [] }
  } catch (error) {
    if (!broken || !(error instanceof HoldfastError) || error.code !== 'INTEGRITY') throw error
    return { inventory: {}, warnings: [`the store could not be opened, its files were taken as they are: ${error.message}`] }
  }
}
