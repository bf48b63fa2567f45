/** The keys of age as people keep them, `age1…` and `AGE-SECRET-KEY-1…`, and as Node computes with them. */
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { bech32 } from '@scure/base'
import { readKeyFile } from '../config/key-files.ts'
import { HoldfastError } from '../core/errors.ts'

/** What precedes the 32 raw bytes of an X25519 key in SubjectPublicKeyInfo and in PKCS#8. */
const SPKI = Buffer.from('302a300506032b656e032100', 'hex')
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex')

export interface Identity {
  /** The recipient that it opens for, as raw bytes. */
  recipient: Buffer
  /** The secret that both sides of an exchange come to. */
  agree(share: Buffer): Buffer
}

/** The raw bytes of an X25519 recipient. Throws CONFIG_INVALID for one of a plugin or of another kind: only age can wrap for those. */
export function recipientBytes(recipient: string): Buffer {
  const bytes = decoded(recipient, 'age')
  if (bytes) return bytes
  throw new HoldfastError('CONFIG_INVALID', `${recipient} is no X25519 recipient of age`, {
    object: recipient,
    next: 'name recipients that age-keygen printed: keys of points that exist are wrapped for those only',
  })
}

/** The X25519 identities of a file; what else stands there, comments and identities of plugins, is passed over. */
export async function identitiesIn(file: string): Promise<Identity[]> {
  const lines = (await readKeyFile('identity', file)).split('\n').map((line) => line.trim())
  const found = lines.flatMap((line) => {
    const secret = decoded(line.toLowerCase(), 'age-secret-key-')
    return secret ? [identityOf(createPrivateKey({ key: Buffer.concat([PKCS8, secret]), format: 'der', type: 'pkcs8' }))] : []
  })
  if (found.length > 0) return found
  throw new HoldfastError('KEY_MISSING', `${file} has no X25519 identity of age in the clear`, {
    object: file,
    next: 'keys are wrapped anew by a worker whose identityFile has AGE-SECRET-KEY-1… lines; of plugins and passphrases age alone knows',
  })
}

/** A key pair for one exchange. */
export function ephemeral(): { share: Buffer; agree(recipient: Buffer): Buffer } {
  const { privateKey } = generateKeyPairSync('x25519')
  const { recipient, agree } = identityOf(privateKey)
  return { share: recipient, agree }
}

function identityOf(key: KeyObject): Identity {
  const recipient = createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(SPKI.length)
  const publicKey = (raw: Buffer) => createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' })
  // OpenSSL refuses a share of low order, whose secret everybody knows.
  return { recipient, agree: (share) => diffieHellman({ privateKey: key, publicKey: publicKey(share) }) }
}

function decoded(text: string, prefix: string): Buffer | undefined {
  const found = bech32.decodeUnsafe(text)
  if (!found || found.prefix !== prefix) return undefined
  const bytes = bech32.fromWordsUnsafe(found.words)
  return bytes && bytes.length === 32 ? Buffer.from(bytes) : undefined
}
