/** One digest of many entries, whatever the order in which they come: the sum of a BLAKE3 of each. */
import { blake3 } from '@napi-rs/blake-hash'

export interface UnorderedDigest {
  add(entry: string | Buffer): void
  /** Of an entry whose BLAKE3 is known, as hex digits. */
  addDigest(blake3: string): void
  /** 64 hex digits. */
  hex(): string
}

const MASK = (1n << 256n) - 1n

export function createUnorderedDigest(): UnorderedDigest {
  let sum = 0n
  const addDigest = (digest: string) => {
    sum = (sum + BigInt(`0x${digest}`)) & MASK
  }
  return {
    add: (entry) => addDigest(blake3(entry).toString('hex')),
    addDigest,
    hex: () => sum.toString(16).padStart(64, '0'),
  }
}
