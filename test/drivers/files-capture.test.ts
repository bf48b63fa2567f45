/** What a capture of files promises: it is the tree, it leaves out what it should, and it never takes half a file for a whole one. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, createReadStream, rmSync, truncateSync } from 'node:fs'
import { chmod, link, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { blake3 } from '@napi-rs/blake-hash'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Manifest } from '../../src/core/records.ts'
import type { Progress } from '../../src/drivers/driver.ts'
import { type Entry, readEntries } from '../../src/drivers/files/entries.ts'
import { asText, below } from '../../src/drivers/files/names.ts'
import { indexIn, treeIn } from '../../src/drivers/files/scratch.ts'
import { EVERYTHING } from '../../src/drivers/files/selection.ts'
import { heardFrom } from '../../src/drivers/files/tar-messages.ts'
import { walk } from '../../src/drivers/files/walk.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, failures, nextRequest, takePoint } from '../conformance/driver.ts'
import { dir, driverOf, put, repository, root, useFolder } from '../support/files/live.ts'
import { describeTree, fillTree } from '../support/files/tree.ts'

useFolder()
const take = (more: object = {}, context = contextFor()) => takePoint(driverOf(more), repository, nextRequest(), context)

async function restored(manifest: Manifest, parts?: string[]): Promise<string> {
  const into = join(dir, 'restored')
  const source = createSource({ store: repository.store, identityFile: repository.identity.file })
  const { target } = await driverOf().restore(contextFor(), manifest, source, { dir: into, ...(parts && { choice: { parts } }) })
  if (!parts) expect(failures(await driverOf().verify(contextFor(), manifest, target, { depth: 'full', assertions: [] }))).toEqual([])
  return treeIn(into)
}

async function indexOf(manifest: Manifest): Promise<Entry[]> {
  await restored(manifest)
  return collect(readEntries(createReadStream(indexIn(join(dir, 'restored')))))
}
async function collect<T>(each: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const one of each) all.push(one)
  return all
}
/** Names of what is stored, without folders. */
const storedIn = async (manifest: Manifest) =>
  (await indexOf(manifest)).filter(({ type }) => type !== 'folder').map(({ path }) => asText(path))

describe('a restored tree', () => {
  it('is the tree as it was: names of any bytes, modes, owners, times, links, holes, attributes', async () => {
    await fillTree(root)
    const before = await describeTree(root)
    expect(await describeTree(await restored(await take()))).toBe(before)
  })

  it('of an empty folder is an empty folder, and the backup says that nothing was there', async () => {
    const manifest = await take()
    expect(manifest.warnings).toEqual(['no file was there to be stored'])
    expect(await describeTree(await restored(manifest))).toBe(await describeTree(root))
  })

  it('has the holes of the files, and takes no more room', async () => {
    await fillTree(root)
    const used = (folder: string) => Number(execFileSync('du', ['-sk', folder], { encoding: 'utf8' }).split('\t')[0])
    const tree = await restored(await take())
    expect(used(join(root, 'sparse'))).toBeLessThan(1024)
    expect(used(join(tree, 'sparse'))).toBeLessThan(1024)
  })
})

describe('what is selected', () => {
  beforeEach(async () => {
    for (const name of [
      'infra/compose.yml',
      'infra/deep/compose.yml',
      'schemas/a.json',
      'schemas/b/c.json',
      'app.yml',
      'new\nline/app.yml',
      'tmp/x',
      '.hidden/y',
    ])
      await put(name)
  })

  it.each([
    [
      {},
      [
        '.hidden/y',
        'app.yml',
        'infra/compose.yml',
        'infra/deep/compose.yml',
        'new\nline/app.yml',
        'schemas/a.json',
        'schemas/b/c.json',
        'tmp/x',
      ],
    ],
    [{ include: ['infra/*.yml', 'schemas'] }, ['infra/compose.yml', 'schemas/a.json', 'schemas/b/c.json']],
    [{ include: ['app.yml'] }, ['app.yml', 'new\nline/app.yml']],
    [{ include: ['/app.yml'] }, ['app.yml']],
    [{ include: ['**/app.yml'] }, ['app.yml', 'new\nline/app.yml']],
    [{ include: ['**/*.yml'], exclude: ['deep/', 'new*'] }, ['app.yml', 'infra/compose.yml']],
    [{ exclude: ['.hidden', 'infra/**', '*.json', '*line'] }, ['app.yml', 'tmp/x']],
  ])('%j', async (config, names) => {
    expect(await storedIn(await take(config))).toEqual(names)
  })

  it('a pattern of include that matches nothing is a warning', async () => {
    expect((await take({ include: ['app.yml', 'apq.yml'] })).warnings).toEqual(['nothing matches apq.yml of include'])
  })

  it('of a folder of logs are those of the age that is wanted, and their folders only', async () => {
    await put('logs/old/a.log')
    await utimes(join(root, 'logs/old/a.log'), 1, Date.now() / 1000 - 3 * 86_400)
    await put('logs/new/b.log')
    const index = await indexOf(await take({ include: ['logs'], maxAge: '2d' }))
    expect(index.map(({ path }) => path)).toEqual(['.', 'logs', 'logs/new', 'logs/new/b.log'])
    expect(await storedIn(await take({ include: ['logs'], minAge: '2d' }))).toEqual(['logs/old/a.log'])
  })
})

describe('secrets', () => {
  const KEY = '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n'
  const TOKEN = `ghp_${'a1B2'.repeat(9)}`

  it('are left out by their names, and not what only shows what one looks like', async () => {
    for (const name of ['.env', '.env.local', 'a/server.key', 'a/ca.pem', 'id_ed25519', 'secrets.yaml', '.aws/credentials']) await put(name)
    for (const name of ['.env.example', 'env.production', 'id_ed25519.pub', 'id_map.json', '.env.d/file']) await put(name)
    const manifest = await take()
    expect(await storedIn(manifest)).toEqual(['.env.d/file', '.env.example', 'env.production', 'id_ed25519.pub', 'id_map.json'])
    expect(manifest.warnings).toEqual([])
    expect(manifest.inventory?.['left out']).toMatchObject({ 'secrets by name': 7 })
  })

  it('are left out by what a file holds, with all names of it, and a warning that names the rule and not the secret', async () => {
    await put('deploy/notes.txt', `remember\n${KEY}`)
    await link(join(root, 'deploy/notes.txt'), join(root, 'deploy/other.txt'))
    await put('env.production', `DEBUG=0\nTOKEN=${TOKEN}\n`)
    await put('plain', 'nothing')
    const manifest = await take()
    expect(await storedIn(manifest)).toEqual(['plain'])
    expect(manifest.warnings).toEqual([
      'left out, for it holds a secret (private key): deploy/notes.txt',
      'left out, for it holds a secret (private key): deploy/other.txt',
      'left out, for it holds a secret (GitHub token): env.production',
    ])
    expect(JSON.stringify(manifest)).not.toContain(TOKEN)
  })

  it('that are allowed are stored', async () => {
    await put('ca.pem', KEY)
    await put('keys/test.txt', KEY)
    await put('keys/deep/test.key', KEY)
    await put('other.txt', KEY)
    expect(await storedIn(await take({ secrets: { allow: ['ca.pem', 'keys/'] } }))).toEqual([
      'ca.pem',
      'keys/deep/test.key',
      'keys/test.txt',
    ])
  })

  it('deep in a file that is too large to be held back are found all the same', async () => {
    await put('a', 'before')
    await put('large.log', `${'x'.repeat(9 * 1024 * 1024)}${TOKEN}${'x'.repeat(100)}`)
    await put('larger.log', `${'y'.repeat(12 * 1024 * 1024)} ${TOKEN} `)
    await put('z', 'after')
    const manifest = await take()
    expect(await storedIn(manifest)).toEqual(['a', 'large.log', 'z'])
    expect(manifest.warnings).toEqual(['left out, for it holds a secret (GitHub token): larger.log'])
    const left: string[] = []
    for await (const { key } of repository.store.pendingUploads('')) left.push(key)
    expect(left).toEqual([])
  })
})

describe('a tree that changes while it is read', () => {
  /** Acts once so many bytes are stored, and waits for that with what is read next. */
  const meanwhile = (bytes: number, act: () => void) => {
    let acted = false
    const context = contextFor()
    const onProgress = (progress: Progress) => {
      if (acted || progress.phase !== 'tree.tar' || (progress.bytes ?? 0) < bytes) return
      acted = true
      act()
    }
    return { ...context, onProgress }
  }
  const MB = 1024 * 1024
  /** Of bytes that zstd makes no smaller: tar is never far ahead of what is stored. */
  const large = (name: string, bytes: number) => writeFile(join(root, name), randomBytes(bytes))

  it('lacks what vanished, and says so', async () => {
    await large('large', 40 * MB)
    await put('z1')
    await put('z2/in')
    const context = meanwhile(5 * MB, () => {
      rmSync(join(root, 'z2'), { recursive: true })
      rmSync(join(root, 'z1'))
    })
    const manifest = await take({}, context)
    expect(manifest.warnings).toEqual(['gone before it was read: z1, z2, z2/in'])
    expect(await storedIn(manifest)).toEqual(['large'])
  })

  it.each([
    ['shorter', () => truncateSync(join(root, 'lar\nge'), 30 * MB), 40 * MB],
    ['longer', () => appendFileSync(join(root, 'lar\nge'), 'more'), 40 * MB],
  ])('names a file that became %s, and its index says what is stored', async (_, act, size) => {
    await large('lar\nge', 40 * MB)
    const manifest = await take({}, meanwhile(5 * MB, act))
    expect(manifest.warnings).toEqual(['changed while it was read, what is stored is of no one moment: "lar\\nge"'])
    const [, stored] = await indexOf(manifest)
    expect(stored?.size).toBe(size)
  })
})

describe('a tree that cannot be read whole', () => {
  // Only a worker that is not root can be refused.
  const asNobody = async (act: () => Promise<unknown>) => {
    for (const folder of [dir, repository.dir]) await chmod(folder, 0o777)
    process.seteuid?.('nobody')
    try {
      return await act()
    } finally {
      process.seteuid?.(0)
    }
  }

  it.runIf(process.getuid?.() === 0)('ends the backup where a folder may not be read, naming it', async () => {
    await put('closed/file')
    await chmod(join(root, 'closed'), 0o700)
    const failure = await asNobody(() => collect(walk(root, EVERYTHING)).catch((error: unknown) => error))
    expect(failure).toMatchObject({ code: 'SOURCE_UNFIT', object: join(root, 'closed'), next: expect.stringContaining('exclude') })
  })

  it('ends the backup where a file may not be read, naming it', () => {
    const said = '/usr/bin/tar: a b: Cannot open: Permission denied\ntar: Exiting with failure status due to previous errors\n'
    expect(() => heardFrom({ exitCode: 2, stderr: said, truncated: false }, '/srv')).toThrow('/srv/a b cannot be read: Permission denied')
    expect(() =>
      heardFrom({ exitCode: 2, stderr: 'tar: x: Read error at byte 0: Input/output error\n', truncated: false }, '/srv'),
    ).toThrow('Input/output')
  })

  it('ends the backup where the root is not there, which may be mounted later', async () => {
    await rm(root, { recursive: true })
    await expect(take()).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', object: root })
  })
})

it('an archive that is not the one of the index is not restored', async () => {
  await put('a', 'one')
  const first = await take()
  await put('a', 'two')
  const second = await take()
  const mixed = [first, second].map(({ artifacts }, at) => artifacts[at]).filter((artifact) => artifact !== undefined)
  const source = createSource({ store: repository.store, identityFile: repository.identity.file })
  const restoring = driverOf().restore(contextFor(), { ...second, artifacts: mixed }, source, { dir: join(dir, 'mixed') })
  await expect(restoring).rejects.toMatchObject({ code: 'INTEGRITY', message: expect.stringContaining('has a otherwise') })
})

it('the index has the digest of what each file holds, holes included', async () => {
  await fillTree(root)
  const files = (await indexOf(await take())).filter(({ type }) => type === 'file')
  expect(files.length).toBeGreaterThan(10)
  for (const { path, blake3: digest, size } of files) {
    const content = await readFile(below(root, path))
    expect([asText(path), digest, size]).toEqual([asText(path), blake3(content).toString('hex'), content.length])
  }
})

it('the index says what every file is, in lines that anybody can read', async () => {
  await put('a b', 'abc')
  const manifest = await take()
  await restored(manifest)
  const lines = (await readFile(indexIn(join(dir, 'restored')), 'utf8')).trim().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { path: '.', type: 'folder' },
    // Of `abc`, as the paper on BLAKE3 has it.
    { path: 'a b', type: 'file', mode: '0644', size: 3, blake3: '6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85' },
  ])
})
