/** What a worker signs with, by its configuration. */
import { createSigner, publicKeyOfPem, type Signer } from '../catalog/signing.ts'
import { HoldfastError } from '../core/errors.ts'
import { readKeyFile } from './key-files.ts'
import type { Config } from './schema.ts'

/**
 * Undefined where this machine signs nothing. Throws KEY_MISSING, and CONFIG_INVALID for a key that is not the one of its id:
 * nobody could verify what it signs.
 */
export async function openSigner({ keyId, privateKeyFile: file, publicKeys }: Config['signing']): Promise<Signer | undefined> {
  if (!file) return undefined
  const privateKeyPem = await readKeyFile('signing key', file)
  const own = Buffer.from(publicKeyOfPem(privateKeyPem, { keyId, file }), 'base64')
  if (own.equals(Buffer.from(publicKeys[keyId] ?? '', 'base64'))) return createSigner({ keyId, privateKeyPem, file })
  throw new HoldfastError('CONFIG_INVALID', `${file} is not the private key of "${keyId}" in signing.publicKeys`, {
    object: keyId,
    next: 'correct signing.keyId or signing.privateKeyFile; a new key has an id and a public key of its own: docs/signing.md',
  })
}
