/** The headers of a tar archive in pax format, as GNU tar writes them. */
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError } from '../../core/errors.ts'
import { type BytePath, fromBytes, shown } from './names.ts'

export const BLOCK = 512

export type MemberType = 'file' | 'folder' | 'link' | 'hard link' | 'fifo' | 'device'

export interface Member {
  path: BytePath
  type: MemberType
  /** Permission bits. */
  mode: number
  uid: number
  gid: number
  /** Of the file, holes included. */
  size: number
  /** Of what the archive holds of it. */
  storedSize: number
  /** Seconds since 1970, with its decimals. */
  mtime: string
  sparse: boolean
  /** Where a symbolic link leads, as it was written; the name that a hard link shares its file with. */
  target?: BytePath
  /** Digest of extended attributes and ACLs, where there are any. */
  attributes?: string
}

const TYPES: Readonly<Record<string, MemberType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '5': 'folder',
  '2': 'link',
  '1': 'hard link',
  '6': 'fifo',
  '3': 'device',
  '4': 'device',
}

export const paddedTo = (size: number): number => Math.ceil(size / BLOCK) * BLOCK
export const isEnd = (block: Buffer): boolean => block.every((byte) => byte === 0)

/** Whether the block is the header of extended records, and how long they are; throws where it is no header. */
export function headerOf(block: Buffer): { extended: boolean; size: number } {
  requireHeader(block)
  const type = String.fromCharCode(block[156] ?? 0)
  return { extended: type === 'x', size: numberIn(block, 124, 12) }
}

/** The records of an extended header: `30 mtime=1795293095.994697941\n`, the number being the length of the whole. */
export function paxRecords(bytes: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>()
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at)
    const length = Number(bytes.toString('latin1', at, space))
    const equals = bytes.indexOf(0x3d, space)
    if (space < 0 || equals < 0 || !Number.isInteger(length) || length <= 0) throw broken('an extended header that cannot be read')
    records.set(bytes.toString('latin1', space + 1, equals), bytes.subarray(equals + 1, at + length - 1))
    at += length
  }
  return records
}

export function memberOf(block: Buffer, pax: ReadonlyMap<string, Buffer> = new Map()): Member {
  const text = (key: string) => pax.get(key)?.toString('latin1')
  const number = (key: string, offset: number, length: number) => {
    const given = text(key)
    return given === undefined ? numberIn(block, offset, length) : Number(given)
  }
  const type = TYPES[String.fromCharCode(block[156] ?? 0)]
  const prefix = textIn(block, 345, 155)
  const name = textIn(block, 0, 100)
  const path = cleaned(text('GNU.sparse.name') ?? text('path') ?? (prefix ? `${prefix}/${name}` : name))
  if (!type) throw broken(`${shown(path)} as a member of the type ${JSON.stringify(String.fromCharCode(block[156] ?? 0))}`)
  const storedSize = type === 'file' ? number('size', 124, 12) : 0
  const link = text('linkpath') ?? textIn(block, 157, 100)
  const attributes = attributesOf(pax)
  return {
    path,
    type,
    mode: numberIn(block, 100, 8) & 0o7777,
    uid: number('uid', 108, 8),
    gid: number('gid', 116, 8),
    size: Number(text('GNU.sparse.realsize') ?? storedSize),
    storedSize,
    mtime: text('mtime') ?? String(numberIn(block, 136, 12)),
    sparse: pax.has('GNU.sparse.major'),
    ...(type === 'link' && { target: link }),
    ...(type === 'hard link' && { target: cleaned(link) }),
    ...(attributes && { attributes }),
  }
}

/** `./a/b/` is `a/b`, the root itself `.`. */
function cleaned(path: string): BytePath {
  const clean = path.replace(/^(\.\/+)+/, '').replace(/\/+$/, '')
  return clean === '' ? '.' : clean
}

function attributesOf(pax: ReadonlyMap<string, Buffer>): string | undefined {
  const keys = [...pax.keys()].filter((key) => key.startsWith('SCHILY.xattr.') || key.startsWith('SCHILY.acl.')).sort()
  if (keys.length === 0) return undefined
  const hasher = new Blake3Hasher()
  for (const key of keys) hasher.update(`${key}=${pax.get(key)?.length}:`).update(pax.get(key) ?? Buffer.alloc(0))
  return hasher.digest('hex')
}

const CHECKSUM = 148

function requireHeader(block: Buffer): void {
  let sum = 0
  for (let at = 0; at < BLOCK; at += 1) sum += at >= CHECKSUM && at < CHECKSUM + 8 ? 0x20 : (block[at] ?? 0)
  if (numberIn(block, CHECKSUM, 8) !== sum) throw broken('a header whose checksum does not fit')
}

/** Octal digits, or where they have no room the number itself, marked by the first bit. */
function numberIn(block: Buffer, offset: number, length: number): number {
  const field = block.subarray(offset, offset + length)
  if (((field[0] ?? 0) & 0x80) === 0)
    return Number.parseInt(
      fromBytes(field)
        .replace(/[\0 ]+$/, '')
        .trim() || '0',
      8,
    )
  let value = BigInt((field[0] ?? 0) & 0x7f)
  for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte)
  const bits = BigInt(8 * length - 1)
  return Number((field[0] ?? 0) & 0x40 ? value - (1n << bits) : value)
}

function textIn(block: Buffer, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length)
  const end = field.indexOf(0)
  return fromBytes(end < 0 ? field : field.subarray(0, end))
}

function broken(what: string): HoldfastError {
  return new HoldfastError('INTEGRITY', `the tar archive has ${what}`, { object: 'tar' })
}
