/** A point in a folder of its own: its index, and a file for each object. */
import { createWriteStream } from 'node:fs'
import { appendFile, mkdir, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { shellWord } from '../../process/shell.ts'
import { makeOwnFolder, removeOwnFolder } from '../common/own-folder.ts'
import type { Restored, RestoreChoice } from '../driver.ts'
import { type Entry, lineOf } from './entries.ts'
import { entriesIn, extract, fetchIndex, type Point } from './extract.ts'
import { indexIn, objectsIn, pathOf } from './places.ts'
import { type Picks, picksOf } from './selection.ts'

export async function restoreScratch(point: Point, { dir, choice = {} }: { dir: string; choice?: RestoreChoice }): Promise<Restored> {
  const { manifest, context } = point
  if (choice.into !== undefined || choice.mode !== undefined)
    throw new HoldfastError('INPUT_INVALID', 'a restore beside the bucket fills a new folder', {
      object: choice.into ?? choice.mode ?? dir,
      next: 'leave into and mode out, or restore with --live',
    })
  try {
    await makeOwnFolder(dir)
    await requireSpace(dir, manifest)
    const bytes = await fill(point, dir, picksOf(choice.parts))
    context.signal.throwIfAborted()
    const objects = objectsIn(dir)
    return {
      target: { kind: 'scratch', dir, connection: objects, database: manifest.source, connect: `ls -la ${shellWord(objects)}` },
      bytes,
    }
  } catch (error) {
    await removeOwnFolder(dir)
    throw context.signal.aborted
      ? new HoldfastError('CANCELLED', `the restore into ${dir} was cancelled`, { object: dir, cause: error })
      : error
  }
}

async function fill(point: Point, dir: string, picks: Picks): Promise<number> {
  const whole = `${indexIn(dir)}.whole`
  await fetchIndex(point, whole)
  await mkdir(objectsIn(dir), { mode: 0o700 })
  let bytes = 0
  /** Kept beside the objects: their metadata and tags are nowhere else. */
  async function* chosen(): AsyncGenerator<Entry> {
    const lines: string[] = []
    const flush = () => appendFile(indexIn(dir), lines.splice(0).join(''))
    for await (const entry of entriesIn(whole)) {
      if (!picks.takes(entry.key)) continue
      bytes += entry.size
      lines.push(lineOf(entry))
      if (lines.length >= 1000) await flush()
      yield entry
    }
    await flush()
    picks.requireAll()
  }
  await extract(point, join(dir, 'lists'), chosen(), (entry, body) => writeObject(join(objectsIn(dir), pathOf(entry.key)), body))
  return bytes
}

async function writeObject(path: string, body: AsyncIterable<Buffer>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await pipeline(body, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
}

async function requireSpace(dir: string, { sizeBytes, fileCount }: Manifest): Promise<void> {
  const { bavail, bsize } = await statfs(dir)
  const [free, wanted] = [bavail * bsize, sizeBytes + fileCount * 4096]
  if (free < wanted)
    throw new HoldfastError('SPACE_SHORT', `${dir} has ${free} bytes free; the objects may need ${wanted}`, { object: dir })
}
