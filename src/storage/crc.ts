/** CRC32 as the stores keep it: base64 of the big-endian value. */
import type { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'

export function encodeCrc32(value: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes.toString('base64')
}

export function crc32Of(bytes: Buffer): string {
  return encodeCrc32(crc32(bytes))
}

/** Size and CRC32 of everything that the stream gives. */
export async function measure(stream: Readable): Promise<{ size: number; crc32: string }> {
  let size = 0
  let value = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length
    value = crc32(chunk, value)
  }
  return { size, crc32: encodeCrc32(value) }
}
