/** A point in a folder of its own: its index, and a file for each object. */
import { createWriteStream } from 'node:fs'
import { appendFile, mkdir, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { HoldfastError } from '../../core/errors.ts'
import { shellWord } from '../../core/shell.ts'
import { orCancelled } from '../common/cancelled.ts'
import { makeOwnFolder, removeOwnFolder } from '../common/own-folder.ts'
import type { Restored, RestoreChoice } from '../driver.ts'
import type { Origin } from './client.ts'
import type { Contents } from './contents.ts'
import { contentsOf } from './contents-of.ts'
import { type Entry, lineOf } from './entries.ts'
import { type Copies, copiesOf } from './copies.ts'
import { entriesIn, fetchIndex, type Point } from './indexed.ts'
import { indexIn, objectsIn, pathOf } from './places.ts'
import { type Picks, picksOf } from './selection.ts'

interface Beside {
  dir: string
  /** False for a proof, which looks at copies where they are. */
  promote: boolean
  choice?: RestoreChoice
}

export async function restoreScratch(origin: Origin, point: Point, { dir, promote, choice = {} }: Beside): Promise<Restored> {
  const { manifest, context } = point
  if (choice.into !== undefined || choice.mode !== undefined)
    throw new HoldfastError('INPUT_INVALID', 'a restore beside the bucket fills a new folder', {
      object: choice.into ?? choice.mode ?? dir,
      next: 'leave into and mode out, or restore with --live',
    })
  try {
    await makeOwnFolder(dir)
    const copies = promote || choice.to !== undefined ? undefined : copiesOf(origin, point.manifest)
    if (copies) return await onlyIndex(point, copies, dir)
    const bytes = await fill(contentsOf(origin, point, choice), dir, choice)
    context.signal.throwIfAborted()
    const objects = objectsIn(dir)
    return {
      target: { kind: 'scratch', dir, connection: objects, database: manifest.source, connect: `ls -la ${shellWord(objects)}` },
      bytes,
    }
  } catch (error) {
    await removeOwnFolder(dir)
    throw orCancelled(error, context.signal, `the restore into ${dir}`, dir)
  }
}

async function onlyIndex(point: Point, { origin: { config }, below }: Copies, dir: string): Promise<Restored> {
  await fetchIndex(point, indexIn(dir))
  const connection = `s3://${config.bucket}/${below}`
  return {
    target: { kind: 'scratch', dir, connection, database: point.manifest.source, connect: `less ${shellWord(indexIn(dir))}` },
    bytes: 0,
  }
}

async function fill(contents: Contents, dir: string, { parts }: RestoreChoice): Promise<number> {
  const whole = `${indexIn(dir)}.whole`
  await contents.fetchIndex(whole)
  const picks = picksOf(parts)
  const bytes = await requireSpace(dir, whole, picks)
  await mkdir(objectsIn(dir), { mode: 0o700 })
  /** Kept beside the objects: their metadata and tags are nowhere else. */
  async function* chosen(): AsyncGenerator<Entry> {
    const lines: string[] = []
    const flush = () => appendFile(indexIn(dir), lines.splice(0).join(''))
    for await (const entry of entriesIn(whole)) {
      if (!picks.takes(entry.key)) continue
      lines.push(lineOf(entry))
      if (lines.length >= 1000) await flush()
      yield entry
    }
    await flush()
  }
  await contents.extract(join(dir, 'lists'), chosen(), (entry, body) => writeObject(join(objectsIn(dir), pathOf(entry.key)), body))
  return bytes
}

async function writeObject(path: string, body: AsyncIterable<Buffer>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await pipeline(body, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
}

/** Resolves to how many bytes are wanted. */
async function requireSpace(dir: string, index: string, picks: Picks): Promise<number> {
  let [files, bytes] = [0, 0]
  for await (const { key, size } of entriesIn(index)) if (picks.takes(key)) [files, bytes] = [files + 1, bytes + size]
  picks.requireAll()
  const { bavail, bsize } = await statfs(dir)
  const [free, wanted] = [bavail * bsize, bytes + files * 4096]
  if (free >= wanted) return bytes
  throw new HoldfastError('SPACE_SHORT', `${dir} has ${free} bytes free; the objects may need ${wanted}`, { object: dir })
}
