/**
 * The header of an age file (C2SP age): for each recipient the file key, wrapped. The payload after it depends on the
 * file key alone, so that another header before the same payload opens it for other recipients.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { Reader } from '../storage/store.ts'
import { HoldfastError } from '../core/errors.ts'
import { ephemeral, type Identity, recipientBytes } from './age-keys.ts'

const INTRO = 'age-encryption.org/v1\n'
const FOR_X25519 = 'age-encryption.org/v1/X25519'
const FILE_KEY_BYTES = 16
/** Some hundred recipients; what has no end of a header by then has none. */
const MAX_HEADER = 64 * 1024
const NONCE = Buffer.alloc(12)
const TAG = { authTagLength: 16 } as const

/** How long the header is that these bytes begin with; undefined where its end is not among them. */
export function headerLength(bytes: Buffer): number | undefined {
  const last = bytes.indexOf('\n--- ')
  const end = last < 0 ? -1 : bytes.indexOf('\n', last + 1)
  return end < 0 ? undefined : end + 1
}

/** The bytes before the payload, and those that came with them; no header where the stream does not begin with one. */
export async function takeHeader(chunks: AsyncIterator<Buffer>): Promise<{ header: Buffer | undefined; rest: Buffer }> {
  let taken = Buffer.alloc(0)
  while (taken.length < MAX_HEADER) {
    const { value, done } = await chunks.next()
    if (done) break
    taken = Buffer.concat([taken, value])
    if (!beginsAsHeader(taken)) break
    const length = headerLength(taken)
    if (length !== undefined) return { header: taken.subarray(0, length), rest: taken.subarray(length) }
  }
  return { header: undefined, rest: taken }
}

const beginsAsHeader = (bytes: Buffer): boolean => {
  const length = Math.min(bytes.length, INTRO.length)
  return bytes.subarray(0, length).equals(Buffer.from(INTRO.slice(0, length)))
}

/** The header of a stored object, without reading the rest. Throws INTEGRITY where it has none. */
export async function readHeader(store: Reader, key: string): Promise<Buffer> {
  const stream = await store.get(key)
  try {
    const { header } = await takeHeader(stream[Symbol.asyncIterator]())
    if (header) return header
  } finally {
    stream.destroy()
  }
  throw new HoldfastError('INTEGRITY', `${key} does not begin as an age file does`, { object: key })
}

/** The file key, or undefined where it is wrapped for none of the identities. Throws INTEGRITY for a header that was altered. */
export function fileKeyOf(header: Buffer, identities: readonly Identity[], object: string): Buffer | undefined {
  for (const { share, body } of stanzasOf(header)) {
    for (const identity of identities) {
      const fileKey = unwrapped(body, wrapKey(identity.agree(share), share, identity.recipient))
      if (!fileKey) continue
      if (timingSafeEqual(macOf(fileKey, header.subarray(0, macAt(header))), writtenMac(header))) return fileKey
      throw new HoldfastError('INTEGRITY', `the header of ${object} was altered: its authentication code is another`, { object })
    }
  }
  return undefined
}

/** A header that gives the file key to these recipients and to nobody else. */
export function headerFor(fileKey: Buffer, recipients: readonly string[]): Buffer {
  const stanzas = recipients.map((recipient) => {
    const bytes = recipientBytes(recipient)
    const { share, agree } = ephemeral()
    const cipher = createCipheriv('chacha20-poly1305', wrapKey(agree(bytes), share, bytes), NONCE, TAG)
    const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()])
    return `-> X25519 ${base64(share)}\n${base64(body)}\n`
  })
  const signed = Buffer.from(`${INTRO}${stanzas.join('')}---`)
  return Buffer.concat([signed, Buffer.from(` ${base64(macOf(fileKey, signed))}\n`)])
}

interface Stanza {
  share: Buffer
  body: Buffer
}

/** Those for X25519 recipients. A body of theirs has one line. */
function stanzasOf(header: Buffer): Stanza[] {
  const found = header.toString('latin1').matchAll(/^-> X25519 ([A-Za-z0-9+/]{43})\n([A-Za-z0-9+/]{43})$/gm)
  return [...found].map(([, share = '', body = '']) => ({ share: Buffer.from(share, 'base64'), body: Buffer.from(body, 'base64') }))
}

function unwrapped(body: Buffer, key: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('chacha20-poly1305', key, NONCE, TAG)
  decipher.setAuthTag(body.subarray(FILE_KEY_BYTES))
  try {
    return Buffer.concat([decipher.update(body.subarray(0, FILE_KEY_BYTES)), decipher.final()])
  } catch {
    // Not for this identity: the format says so by nothing else.
    return undefined
  }
}

const wrapKey = (shared: Buffer, share: Buffer, recipient: Buffer): Buffer => derived(shared, Buffer.concat([share, recipient]), FOR_X25519)

const macOf = (fileKey: Buffer, signed: Buffer): Buffer =>
  createHmac('sha256', derived(fileKey, Buffer.alloc(0), 'header'))
    .update(signed)
    .digest()

/** Where the text ends that the code covers: after `---`. */
const macAt = (header: Buffer): number => header.lastIndexOf('\n--- ') + '\n---'.length

/** Of another length it is no code, and none that this header has. */
function writtenMac(header: Buffer): Buffer {
  const mac = Buffer.from(header.subarray(macAt(header)).toString('latin1').trim(), 'base64')
  return mac.length === 32 ? mac : Buffer.alloc(32)
}

function derived(secret: Buffer, salt: Buffer, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, 32))
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
