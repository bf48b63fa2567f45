/** A raft snapshot as an archive: written as OpenBao writes it, read with its words for what is damaged. */
import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'

const BLOCK = 512
export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

export function sumsOf(files: Record<string, Buffer>): string {
  return Object.entries(files)
    .map(([name, bytes]) => `${sha256(bytes)}  ${name}\n`)
    .join('')
}

export function pack(files: Record<string, Buffer>): Buffer {
  const members = Object.entries(files).flatMap(([name, bytes]) => [
    header(name, bytes.length),
    bytes,
    Buffer.alloc(-bytes.length & (BLOCK - 1)),
  ])
  return gzipSync(Buffer.concat([...members, Buffer.alloc(2 * BLOCK)]))
}

function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`
  block.write(name, 0)
  block.write(octal(0o600, 8) + octal(0, 8) + octal(0, 8) + octal(size, 12) + octal(Math.floor(Date.now() / 1000), 12), 100)
  block.write(' '.repeat(8), 148)
  block.write('0', 156)
  block.write('ustar\x0000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

/** Throws with what OpenBao says. */
export function unpack(archive: Buffer): Record<string, Buffer> {
  const files = members(decompressed(archive))
  const sums = files['SHA256SUMS']?.toString('utf8') ?? ''
  for (const line of sums.split('\n').filter(Boolean)) {
    const [sum, name = ''] = line.split('  ')
    if (sha256(files[name] ?? Buffer.alloc(0)) !== sum) throw new Error(`hash check failed for "${name}"`)
  }
  if (!files['meta.json'] || !files['state.bin'] || sums === '') throw new Error('unexpected EOF')
  return files
}

/** Go reads while it decompresses: a flipped bit is found by the hash of a member before it is found by gzip. */
function decompressed(archive: Buffer): Buffer {
  try {
    return gunzipSync(archive)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'Z_BUF_ERROR') throw new Error('failed to read or write snapshot data: unexpected EOF')
    if (message.includes('header')) throw new Error('failed to decompress snapshot: gzip: invalid header')
    throw new Error('hash check failed for "state.bin"')
  }
}

function members(tar: Buffer): Record<string, Buffer> {
  const files: Record<string, Buffer> = {}
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0; ) {
    const name = tar.toString('latin1', at, at + 100).replace(/\0.*$/s, '')
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8)
    files[name] = tar.subarray(at + BLOCK, at + BLOCK + size)
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
  return files
}
