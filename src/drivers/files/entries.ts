/** The index of a tree: one line of JSON for each of its files and folders, in the order of a walk. */
import type { BigIntStats } from 'node:fs'
import { type BytePath, fromBytes, fromText, toBytes } from './names.ts'
import type { Member, MemberType } from './tar-header.ts'

export interface Entry {
  path: BytePath
  type: MemberType
  mode: number
  uid: number
  gid: number
  size: number
  mtime: string
  target?: BytePath
  attributes?: string
  /** BLAKE3 of the content of a file, where it was read. */
  blake3?: string
}

export function entryOf({ path, type, mode, uid, gid, size, mtime, target, attributes }: Member, blake3?: string): Entry {
  return {
    path,
    type,
    mode,
    uid,
    gid,
    size,
    mtime: plainTime(mtime),
    ...(target !== undefined && { target }),
    ...(attributes && { attributes }),
    ...(blake3 && { blake3 }),
  }
}

/** The same without its content, of what stands on the disk. */
export function entryOfStat(path: BytePath, type: MemberType, stat: BigIntStats, target?: BytePath): Entry {
  return {
    path,
    type,
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: type === 'file' ? Number(stat.size) : 0,
    mtime: timeOf(stat.mtimeNs),
    ...(target !== undefined && { target }),
  }
}

/** `1795293095.5`: without zeros that say nothing. */
function plainTime(mtime: string): string {
  return mtime.includes('.') ? mtime.replace(/\.?0+$/, '') : mtime
}

export function timeOf(nanoseconds: bigint): string {
  const [sign, whole] = nanoseconds < 0n ? ['-', -nanoseconds] : ['', nanoseconds]
  return plainTime(`${sign}${whole / 1_000_000_000n}.${String(whole % 1_000_000_000n).padStart(9, '0')}`)
}

/** A name that is no UTF-8 stands there as base64 of its bytes. */
function nameFields(field: string, path: BytePath | undefined): Record<string, string> {
  if (path === undefined) return {}
  const bytes = toBytes(path)
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? { [field]: text } : { [`${field}Base64`]: bytes.toString('base64') }
}

const nameIn = (line: Record<string, unknown>, field: string): BytePath | undefined => {
  const [text, coded] = [line[field], line[`${field}Base64`]]
  if (typeof text === 'string') return fromText(text)
  return typeof coded === 'string' ? fromBytes(Buffer.from(coded, 'base64')) : undefined
}

export function lineOf({ path, target, mode, ...entry }: Entry): string {
  const octal = mode.toString(8).padStart(4, '0')
  return `${JSON.stringify({ ...nameFields('path', path), ...entry, mode: octal, ...nameFields('target', target) })}\n`
}

export function entryIn(line: string): Entry {
  const parsed = JSON.parse(line) as Record<string, unknown>
  const { path: _, pathBase64: __, target: ___, targetBase64: ____, mode, ...rest } = parsed
  const target = nameIn(parsed, 'target')
  const entry = {
    ...(rest as Omit<Entry, 'path' | 'mode' | 'target'>),
    path: nameIn(parsed, 'path') ?? '.',
    mode: Number.parseInt(String(mode), 8),
  }
  return target === undefined ? entry : { ...entry, target }
}

/** Constant memory, however long the index is. */
export async function* readEntries(stream: AsyncIterable<Buffer>): AsyncGenerator<Entry> {
  let rest = Buffer.alloc(0)
  for await (const chunk of stream) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    let at = 0
    for (let end = bytes.indexOf(10, at); end >= 0; end = bytes.indexOf(10, at)) {
      yield entryIn(bytes.toString('utf8', at, end))
      at = end + 1
    }
    rest = Buffer.from(bytes.subarray(at))
  }
  if (rest.length > 0) yield entryIn(rest.toString('utf8'))
}
