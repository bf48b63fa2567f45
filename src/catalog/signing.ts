/** Signatures of records: ed25519 over the canonical bytes of the record without its `signature`. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { type Signature, signatureSchema } from '../core/records.ts'
import { canonicalBytes } from './canonical.ts'

export interface Signer {
  readonly keyId: string
  /** The record with its signature; one that is there is replaced. The same record gives the same bytes each time. */
  sign<T extends object>(record: T): T & { signature: Signature }
}

export interface Verifier {
  /** Throws SIGNATURE_INVALID, naming the object; returns the id of the key that signed. */
  verify(record: object, object: string): string
  /** Whether there is a public key of that id. */
  trusts(keyId: string): boolean
}

/** What precedes the 32 raw bytes in the SubjectPublicKeyInfo of an ed25519 key. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** `file` is for messages. */
export function createSigner({ keyId, privateKeyPem, file }: { keyId: string; privateKeyPem: string; file?: string }): Signer {
  const key = privateKeyOf(privateKeyPem, { keyId, file })
  return {
    keyId,
    sign(record) {
      const unsigned = withoutSignature(record)
      const value = signBytes(null, canonicalBytes(unsigned), key).toString('base64')
      return { ...unsigned, signature: { keyId, algorithm: 'ed25519', value } } as never
    },
  }
}

/** `publicKeys`: key id to base64 of the raw 32 bytes, as in the config. */
export function createVerifier(publicKeys: Record<string, string>): Verifier {
  const keys = new Map(Object.entries(publicKeys).map(([keyId, raw]) => [keyId, publicKeyOf(keyId, raw)]))
  return {
    trusts: (keyId) => keys.has(keyId),
    verify(record, object) {
      const signature = signatureSchema.safeParse((record as { signature?: unknown }).signature)
      if (!signature.success) throw invalid(object, 'it carries no signature')
      const { keyId, value } = signature.data
      const key = keys.get(keyId)
      if (!key) throw invalid(object, `it is signed with the key "${keyId}", which is not among the public keys that were given`)
      const signed = verifyBytes(null, canonicalBytes(withoutSignature(record)), key, Buffer.from(value, 'base64'))
      if (!signed) throw invalid(object, `it was changed after it was signed with the key "${keyId}", or signed with another`)
      return keyId
    },
  }
}

/** A new key: PKCS#8 PEM for the worker's file, base64 of the raw public key for the config. */
export function generateSigningKey(): { privateKeyPem: string; publicKey: string } {
  const { privateKey } = generateKeyPairSync('ed25519')
  return { privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), publicKey: publicKeyFor(privateKey) }
}

/** Base64 of the raw public key that belongs to a private key; `init` and `doctor` compare it with the config. */
export function publicKeyOfPem(privateKeyPem: string, named: Named): string {
  return publicKeyFor(privateKeyOf(privateKeyPem, named))
}

function publicKeyFor(privateKey: KeyObject): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).subarray(SPKI.length).toString('base64')
}

/** How messages call a key. */
interface Named {
  keyId: string
  file?: string | undefined
}

function privateKeyOf(pem: string, { keyId, file }: Named): KeyObject {
  const what = `the private signing key "${keyId}"${file === undefined ? '' : ` in ${file}`} is not ed25519 as PKCS#8 PEM`
  const next = 'give the file that belongs to the key; holdfast init makes a new one'
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch (error) {
    throw unusable(keyId, `${what}: ${messageOf(error)}`, next)
  }
  throw unusable(keyId, `${what}: it is a key of another kind`, next)
}

function publicKeyOf(keyId: string, raw: string): KeyObject {
  const bytes = Buffer.from(raw, 'base64')
  if (bytes.length !== 32) {
    const message = `the public signing key "${keyId}" is not ed25519 as base64 of the raw 32 bytes: it has ${bytes.length} bytes`
    throw unusable(keyId, message, 'copy it from signing.publicKeys of the worker that signs: 44 characters, the last of them "="')
  }
  return createPublicKey({ key: Buffer.concat([SPKI, bytes]), format: 'der', type: 'spki' })
}

function unusable(keyId: string, message: string, next: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', message, { object: keyId, next })
}

function invalid(object: string, why: string): HoldfastError {
  return new HoldfastError('SIGNATURE_INVALID', `${object} is not to be trusted: ${why}`, { object })
}

function withoutSignature(record: object): object {
  const { signature: _, ...rest } = record as { signature?: unknown }
  return rest
}
