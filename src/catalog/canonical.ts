/** One way to write a record as bytes (RFC 8785), so that a signature and a digest mean the same everywhere. */
import { blake3 } from '@napi-rs/blake-hash'
import canonicalize from 'canonicalize'

export function canonicalBytes(record: unknown): Buffer {
  const text = canonicalize(record)
  if (text === undefined) throw new TypeError('a record is JSON: objects, arrays, strings, finite numbers, true, false, null')
  return Buffer.from(text)
}

/** BLAKE3 as hex, as the records hold it. */
export function digestOf(bytes: Uint8Array): string {
  return blake3(bytes).toString('hex')
}
