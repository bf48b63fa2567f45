/** Digests of what is compared. */
import { blake3 } from '@napi-rs/blake-hash'
import canonicalize from 'canonicalize'

/** Of JSON, whatever the order of its keys. */
export const digestOf = (value: unknown): string => blake3(Buffer.from(canonicalize(value) ?? '')).toString('hex')

export interface Sum {
  add(digest: string): void
  digest(): string
}

const MASK = (1n << 256n) - 1n

/** One digest of many, in whatever order they come. */
export function createSum(): Sum {
  let sum = 0n
  return {
    add(digest) {
      sum = (sum + BigInt(`0x${digest}`)) & MASK
    },
    digest: () => sum.toString(16).padStart(64, '0'),
  }
}
