/** The files of keys that the configuration or an option names. */
import { readFile } from 'node:fs/promises'
import { HoldfastError } from '../core/errors.ts'

const NEXT = {
  identity: 'provide the age identity of one of the recipients, or correct the path (encryption.identityFile, --identity)',
  'signing key': 'provide the private key of signing.keyId, or correct signing.privateKeyFile',
}

/** Throws KEY_MISSING, naming the file. */
export async function readKeyFile(what: keyof typeof NEXT, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : code
    throw new HoldfastError('KEY_MISSING', `the ${what} ${file} cannot be read: ${why}`, { object: file, next: NEXT[what], cause })
  }
}
