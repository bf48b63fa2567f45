/** The file that is to be archived: what it must be, its bytes, its digest. */
import type { Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError, messageOf } from '../core/errors.ts'
import type { WalName } from './names.ts'

const MIB = 1024 * 1024

export async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path)
  } catch (error) {
    throw new HoldfastError('INPUT_INVALID', `${path} cannot be read: ${messageOf(error)}`, {
      object: path,
      next: 'give the path that the engine names: %p of PostgreSQL, from its data directory',
      cause: error,
    })
  }
}

/** A segment that was cut would be believed by every recovery: its size is a power of two. */
export async function sizeOf(file: FileHandle, path: string, { kind }: WalName): Promise<number> {
  const found = await file.stat()
  const isSegment = kind === 'segment' || kind === 'partial'
  const whole = !isSegment || (found.size >= MIB && found.size <= 1024 * MIB && Number.isInteger(Math.log2(found.size)))
  if (found.isFile() && whole) return found.size
  const what = found.isFile() ? `has ${found.size} bytes, which is no size of a WAL segment` : 'is no file'
  throw new HoldfastError('INPUT_INVALID', `${path} ${what}`, { object: path, next: 'archive whole segments only' })
}

export const unchanged = (before: Stats, after: Stats): boolean => before.size === after.size && before.mtimeMs === after.mtimeMs

export async function textOf(file: FileHandle): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false })) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

export async function digestOf(file: FileHandle): Promise<string> {
  const hasher = new Blake3Hasher()
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false, highWaterMark: MIB })) hasher.update(chunk as Buffer)
  return hasher.digest('hex')
}
