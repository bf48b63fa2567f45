/** Fills a folder with a point or a part of it: what comes out of the archive is held to the index, member by member. */
import { createReadStream } from 'node:fs'
import { rm, rmdir } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import { startChain } from '../../process/chain.ts'
import type { Command } from '../../process/command.ts'
import { digestOfFile } from '../common/file-digest.ts'
import type { ArtifactSource, DriverContext } from '../driver.ts'
import { type Entry, entryOf, readEntries } from './entries.ts'
import type { FilesSourceConfig } from './config.ts'
import { keyProblem, unwrapping } from './gpg.ts'
import { ancestorsOf, type BytePath, pathBelow, shown } from './names.ts'
import type { Picks } from './picks.ts'
import { extractCommand } from './tar-commands.ts'
import { passTar } from './tar-reader.ts'

export interface Point {
  manifest: Manifest
  source: ArtifactSource
  gpg: FilesSourceConfig['gpg']
  context: DriverContext
}

export const entriesIn = (file: string): AsyncGenerator<Entry> => readEntries(createReadStream(file, { highWaterMark: 256 * 1024 }))

/** Writes the point's index to a file; throws INTEGRITY where it is not the one that the manifest names. */
export async function fetchIndex({ manifest, source, gpg, context }: Point, file: string): Promise<void> {
  context.onProgress({ phase: 'index' })
  const artifact = artifactOf(manifest, 'index')
  const unwrap = unwrapping(artifact, gpg)
  if (unwrap.length === 0) await source.toFile(artifact, file)
  else
    await drained(opened(await source.read(artifact), [...unwrap, toFile(file)], context.signal)).catch((error: unknown) => {
      throw keyProblem(error, artifact)
    })
  context.signal.throwIfAborted()
  const digest = await digestOfFile(file)
  if (digest !== recordedDigest(manifest))
    throw new HoldfastError('INTEGRITY', `the index of ${manifest.source}/${manifest.id} is not the one that its manifest names`, {
      object: artifact.key,
    })
}

/** The index as it is stored, for a look that leaves nothing on the disk. */
export async function* indexOf({ manifest, source, gpg, context }: Point): AsyncGenerator<Entry> {
  const artifact = artifactOf(manifest, 'index')
  try {
    yield* readEntries(opened(await source.read(artifact), unwrapping(artifact, gpg), context.signal) as AsyncIterable<Buffer>)
  } catch (error) {
    throw keyProblem(error, artifact)
  }
}

export const recordedDigest = (manifest: Manifest): string | undefined => manifest.inventory?.['index']?.['digest']?.toString()

const toFile = (file: string): Command => ({ program: 'dd', args: [`of=${file}`, 'bs=1M', 'iflag=fullblock', 'status=none'] })

/** Extracts what is picked into the folder, which exists. */
export async function fillTree(point: Point, indexFile: string, folder: string, picks: Picks): Promise<void> {
  const { manifest, source, gpg, context } = point
  const artifact = artifactOf(manifest, 'tree')
  const plain = opened(await source.read(artifact), unwrapping(artifact, gpg), context.signal)
  const members = Readable.from(held(plain, indexFile, picks, context), { objectMode: false })
  let failure: unknown
  members.once('error', (error) => {
    failure = error
  })
  await drained(opened(members, [extractCommand(folder)], context.signal)).catch((error: unknown) => {
    throw failure instanceof HoldfastError ? failure : error
  })
  for (const path of picks.helpers) await removeHelper(folder, path, picks)
}

/** With the folders above it that nobody asked for. */
async function removeHelper(folder: string, path: BytePath, { takes }: Picks): Promise<void> {
  await rm(pathBelow(folder, path))
  for (const above of ancestorsOf(path).reverse()) {
    if (takes(above)) return
    await rmdir(pathBelow(folder, above)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY') throw error
    })
  }
}

/** Progress is told after so many bytes. */
const TELL_BYTES = 8 * 1024 * 1024

async function* held(stream: Readable, indexFile: string, { takes }: Picks, context: DriverContext): AsyncGenerator<Buffer> {
  const index = entriesIn(indexFile)
  let told = 0
  let bytes = 0
  context.onProgress({ phase: 'tree', bytes: 0 })
  try {
    yield* passTar(stream as AsyncIterable<Buffer>, {
      begin: ({ path }) => (takes(path) ? 'pass' : 'drop'),
      async end(member, digest) {
        const { value } = await index.next()
        const found = entryOf(member, digest)
        if (!value || !same(value, found))
          throw new HoldfastError('INTEGRITY', `the archive has ${shown(member.path)} otherwise than its index says`, {
            object: shown(member.path),
          })
        bytes += member.size
        if (bytes - told > TELL_BYTES) {
          told = bytes
          context.onProgress({ phase: 'tree', bytes })
        }
        return true
      },
    })
    if (!(await index.next()).done) throw new HoldfastError('INTEGRITY', 'the archive has less than its index says', { object: indexFile })
  } finally {
    await index.return(undefined)
  }
}

const FIELDS = ['path', 'type', 'mode', 'uid', 'gid', 'size', 'mtime', 'target', 'attributes', 'blake3'] as const

const same = (one: Entry, other: Entry): boolean => FIELDS.every((field) => one[field] === other[field])

/** The stream behind the programs; the stream itself where there are none. */
function opened(stream: Readable, commands: Command[], signal: AbortSignal): Readable {
  return commands.length === 0 ? stream : startChain(commands, { stdin: stream, signal }).stdout
}

async function drained(stream: Readable): Promise<void> {
  for await (const chunk of stream) void chunk
}

function artifactOf(manifest: Manifest, role: string): Artifact {
  const found = manifest.artifacts.find((artifact) => artifact.role === role)
  if (found) return found
  const object = `${manifest.source}/${manifest.id}`
  throw new HoldfastError('INTEGRITY', `the manifest of ${object} names no ${role}`, { object })
}
