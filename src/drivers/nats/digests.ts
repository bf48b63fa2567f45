/** Digests of what is compared. */
import { blake3 } from '@napi-rs/blake-hash'
import canonicalize from 'canonicalize'

/** Of JSON, whatever the order of its keys. */
export const digestOf = (value: unknown): string => blake3(Buffer.from(canonicalize(value) ?? '')).toString('hex')
