/** Signed records in a store: written once, and read only if signature, shape and place fit. */
import type { z } from 'zod'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { readAll, type Reader, type Store } from '../storage/store.ts'
import { canonicalBytes, digestOf } from './canonical.ts'
import type { Signer, Verifier } from './signing.ts'

export interface CatalogContext {
  store: Store
  /** Without it the catalogue can be read only. */
  signer?: Signer | undefined
  verifier: Verifier
}

export interface Signed<T> {
  record: T
  digest: string
}

/** The bytes that are stored for a record. Throws KEY_MISSING where this worker has no signing key. */
export function seal<T extends object>(
  context: CatalogContext,
  schema: z.ZodType<T>,
  record: T,
): { bytes: Buffer; digest: string; signed: T } {
  if (!context.signer) {
    throw new HoldfastError('KEY_MISSING', 'a record cannot be signed: this worker has no signing key', {
      next: 'set signing.privateKeyFile in holdfast.yaml',
    })
  }
  // As a reader will see it: without undefined fields, and refused now rather than at the restore.
  const signed = context.signer.sign(schema.parse(JSON.parse(JSON.stringify(record))) as T & object)
  const bytes = canonicalBytes(signed)
  return { bytes, digest: digestOf(bytes), signed }
}

/** Reads and checks a record. Throws NOT_FOUND, SIGNATURE_INVALID or INTEGRITY, each naming the key. */
export async function readRecord<T>(context: { store: Reader; verifier: Verifier }, schema: z.ZodType<T>, key: string): Promise<Signed<T>> {
  return openRecord(context.verifier, schema, key, await readAll(context.store, key))
}

/** The same for bytes that were read already. */
export function openRecord<T>(verifier: Verifier, schema: z.ZodType<T>, key: string, bytes: Buffer): Signed<T> {
  const json = parse(key, bytes)
  verifier.verify(json, key)
  const parsed = schema.safeParse(json)
  if (!parsed.success) {
    const where = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
    throw new HoldfastError('INTEGRITY', `${key} is signed and is no record of this kind: ${where}`, {
      object: key,
      next: 'read it with the version of Holdfast that wrote it',
    })
  }
  return { record: parsed.data, digest: digestOf(bytes) }
}

/** Never there, or deleted between a listing and now. */
export const isGone = (error: unknown): error is HoldfastError => error instanceof HoldfastError && error.code === 'NOT_FOUND'

/** For a record that stands where it does not belong. */
export function misplaced(key: string, why: string): HoldfastError {
  return new HoldfastError('INTEGRITY', `${key} does not belong there: ${why}`, { object: key })
}

function parse(key: string, bytes: Buffer): object {
  try {
    const json: unknown = JSON.parse(bytes.toString('utf8'))
    if (json !== null && typeof json === 'object' && !Array.isArray(json)) return json
  } catch (error) {
    throw new HoldfastError('INTEGRITY', `${key} is not JSON: ${messageOf(error)}`, { object: key, cause: error })
  }
  throw new HoldfastError('INTEGRITY', `${key} is not a JSON object`, { object: key })
}
