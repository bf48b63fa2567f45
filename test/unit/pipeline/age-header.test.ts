/** Headers of our making, against age itself in both directions. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fileKeyOf, headerFor, headerLength, readHeader } from '../../../src/pipeline/age-header.ts'
import { identitiesIn, recipientBytes } from '../../../src/pipeline/age-keys.ts'
import { run } from '../../../src/process/run.ts'
import { createMemoryStore } from '../../../src/storage/memory.ts'
import { type Identity, makeIdentity } from '../../support/age.ts'

const BODY = randomBytes(200_000)
let dir: string
let old: Identity
let next: Identity
let safe: Identity
let stored: Buffer

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-age-'))
  const named = (name: string) => makeIdentity(dir, name)
  ;[old, next, safe] = [await named('old'), await named('next'), await named('safe')]
  stored = await encrypted(BODY, [old])
})
afterAll(() => rm(dir, { recursive: true, force: true }))

async function encrypted(body: Buffer, identities: Identity[]): Promise<Buffer> {
  const [plain, file] = [join(dir, 'plain'), join(dir, 'encrypted')]
  await writeFile(plain, body)
  await run({ program: 'age', args: ['-e', '-o', file, ...identities.flatMap(({ recipient }) => ['-r', recipient]), plain] })
  return readFile(file)
}

async function openedBy(identity: Identity, file: Buffer): Promise<Buffer> {
  const [input, output] = [join(dir, 'input'), join(dir, 'output')]
  await writeFile(input, file)
  await run({ program: 'age', args: ['-d', '-i', identity.file, '-o', output, input] })
  return readFile(output)
}

const headerOf = (file: Buffer) => file.subarray(0, headerLength(file))
const keyOf = async (file: Buffer, identity: Identity) => fileKeyOf(headerOf(file), await identitiesIn(identity.file), 'it')
/** The same payload, for others. */
async function rewrapped(file: Buffer, by: Identity, recipients: string[]): Promise<Buffer> {
  const fileKey = await keyOf(file, by)
  if (!fileKey) throw new Error('not opened')
  return Buffer.concat([headerFor(fileKey, recipients), file.subarray(headerLength(file))])
}

describe('a header that was made anew before the same payload', () => {
  it('opens with age for each of its recipients, and no longer for the one before', async () => {
    const file = await rewrapped(stored, old, [next.recipient, safe.recipient])
    expect((await openedBy(next, file)).equals(BODY)).toBe(true)
    expect((await openedBy(safe, file)).equals(BODY)).toBe(true)
    await expect(openedBy(old, file)).rejects.toThrow('no identity matched')
  })

  it('can itself be the one that the next is made of', async () => {
    const second = await rewrapped(await rewrapped(stored, old, [next.recipient]), next, [safe.recipient])
    expect((await openedBy(safe, second)).equals(BODY)).toBe(true)
  })

  it('gives nobody anything to compare: each is other bytes', async () => {
    const fileKey = (await keyOf(stored, old)) as Buffer
    expect(headerFor(fileKey, [next.recipient]).equals(headerFor(fileKey, [next.recipient]))).toBe(false)
  })
})

describe('the file key of a header that age made', () => {
  it('is found by any of its recipients, one of several identities of a file, and by nobody else', async () => {
    const forTwo = await encrypted(BODY, [old, next])
    const both = join(dir, 'both')
    await writeFile(both, `# two\n${await readFile(safe.file, 'utf8')}\n${await readFile(next.file, 'utf8')}`)
    const key = await keyOf(forTwo, old)
    expect(key).toHaveLength(16)
    expect(await keyOf(forTwo, { ...next, file: both })).toEqual(key)
    expect(await keyOf(forTwo, safe)).toBeUndefined()
  })

  it('is not given away by a header that was altered', async () => {
    const forTwo = headerOf(await encrypted(BODY, [old, next]))
    // The stanza of the other recipient: ours still opens, and only the code at the end says that something is wrong.
    const lines = forTwo.toString('latin1').split('\n')
    lines[4] = `${lines[4]?.startsWith('A') ? 'B' : 'A'}${lines[4]?.slice(1)}`
    const identities = await identitiesIn(old.file)
    expect(() => fileKeyOf(Buffer.from(lines.join('\n'), 'latin1'), identities, 'data/database')).toThrow(
      expect.objectContaining({ code: 'INTEGRITY', object: 'data/database' }),
    )
  })
})

describe('a stored object', () => {
  it('has its header read alone, also where it comes in small pieces', async () => {
    const store = createMemoryStore()
    await store.put('a', stored, { ifAbsent: true })
    const pieces = Array.from({ length: 100 }, (_, n) => stored.subarray(n * 7, n * 7 + 7))
    expect((await readHeader(store, 'a')).equals(headerOf(stored))).toBe(true)
    expect((await readHeader({ ...store, get: async () => Readable.from(pieces) }, 'a')).equals(headerOf(stored))).toBe(true)
  })

  it.each([
    ['is no age file', () => BODY],
    ['ends within its header', () => stored.subarray(0, 100)],
    ['is empty', () => Buffer.alloc(0)],
  ])('that %s is said to be that', async (_, body) => {
    const store = createMemoryStore()
    await store.put('a', body(), { ifAbsent: true })
    await expect(readHeader(store, 'a')).rejects.toMatchObject({ code: 'INTEGRITY', object: 'a' })
  })
})

describe('a key that Holdfast cannot compute with', () => {
  it('is refused as a recipient, by name', () => {
    const plugin = 'age1yubikey1qgfypfzs6ml3vl7yc7vj2txanf4yhy3ydqkexgx5kphnvhs7zuxnjzftlnk'
    expect(() => recipientBytes(plugin)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', object: plugin }))
    expect(() => recipientBytes(`${old.recipient.slice(0, -1)}${old.recipient.endsWith('q') ? 'p' : 'q'}`)).toThrow(
      'is no X25519 recipient',
    )
  })

  it('is passed over among identities, and where there is no other the file is named and nothing of what it says', async () => {
    const file = join(dir, 'plugin')
    await writeFile(file, 'AGE-PLUGIN-YUBIKEY-1QGPZZZZ\n')
    const error: unknown = await identitiesIn(file).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'KEY_MISSING', object: file })
    expect(String(error)).not.toContain('QGPZZZZ')
    await writeFile(file, `AGE-PLUGIN-YUBIKEY-1QGPZZZZ\n${await readFile(old.file, 'utf8')}`)
    expect(await identitiesIn(file)).toHaveLength(1)
  })
})
