/** What a store on SSH does about its connection and its host, on a real sshd; its promises as a store are in test/conformance. */
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type SshServer, startSsh } from '../../../scripts/toolbox/ssh.ts'
import { until } from '../../../src/process/wait.ts'
import { createSshStore } from '../../../src/storage/ssh.ts'
import { FAR, PUT } from '../../../src/storage/ssh-far.ts'
import { sha256 } from '../../../src/storage/ssh-object.ts'
import { readAll, type Store } from '../../../src/storage/store.ts'
import { keysIn } from '../../support/catalog.ts'

let dir: string
let server: SshServer
let root: string
let path: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-ssh-test-'))
  await mkdir(join(dir, 'sshd'))
  server = await startSsh({ dir: join(dir, 'sshd') })
})
afterAll(async () => {
  await server?.stop()
  await rm(dir, { recursive: true, force: true })
})
beforeEach(async () => {
  root = await mkdtemp(join(dir, 'far-'))
  path = join(root, 'a folder')
  await mkdir(path)
})

async function on<T>(use: (store: Store) => Promise<T>, change: Partial<Parameters<typeof createSshStore>[0]> = {}): Promise<T> {
  const { pid: _, stop: __, ...access } = server
  const store = createSshStore({ type: 'ssh', path, ...access, ...change })
  try {
    return await use(store)
  } finally {
    store.close()
  }
}
const put = (store: Store, key = 'key') => store.put(key, Buffer.from('body'), { ifAbsent: true })

describe('is refused', () => {
  it('a host whose key is not known', async () => {
    const knownHostsFile = join(dir, 'known-none')
    await writeFile(knownHostsFile, '')
    await on((store) => expect(put(store)).rejects.toMatchObject({ code: 'STORE_DENIED', message: expect.stringMatching(/host key/i) }), {
      knownHostsFile,
    })
  })

  it('by a host that does not know our key', async () => {
    const identityFile = join(dir, 'other-key')
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', identityFile])
    await on((store) => expect(put(store)).rejects.toMatchObject({ code: 'STORE_DENIED' }), { identityFile })
  })

  it('a host that nobody answers on, as something that may pass', async () => {
    await on((store) => expect(put(store)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', retryable: true }), { port: 1 })
  })
})

it('a folder that is not there is trouble, never an empty store: its disk may not be mounted', async () => {
  await rm(path, { recursive: true })
  const trouble = { code: 'STORE_UNREACHABLE', retryable: false, object: path }
  await on(async (store) => {
    const calls = [put, keysIn, ...(['head', 'get', 'delete', 'startUpload'] as const).map((name) => (to: Store) => to[name]('key'))]
    for (const call of calls) await expect(call(store)).rejects.toMatchObject(trouble)
  })
  expect(await readdir(root)).toEqual([])
})

it('bytes that did not all arrive become no object, and leave no file', async () => {
  const body = Buffer.from('all of it')
  const far = (input: Buffer) => spawnSync('sh', ['-c', PUT, 'holdfast', path, 'a/key', sha256(body), 'keep', 'unique'], { input })
  expect(far(body.subarray(0, 3)).status).toBe(FAR.unlike)
  expect(await readdir(path, { recursive: true })).toEqual(['.uploads'])
  expect(far(body).status).toBe(0)
  await on(async (store) => expect(String(await readAll(store, 'a/key'))).toBe('all of it'))
})

it('keys that a shell would read otherwise are kept as they are', async () => {
  const keys = ['a b/c d', "it's/$(touch x)", 'q"uote/`id`', '-n/--', 'a*/?', '~/x;y|z&']
  await on(async (store) => {
    for (const key of keys) {
      expect(await put(store, key)).toBe('created')
      expect(await put(store, key)).toBe('exists')
      expect(String(await readAll(store, key))).toBe('body')
    }
    expect(await keysIn(store)).toEqual([...keys].sort())
    for (const key of keys) expect(await store.delete(key)).toBe('deleted')
  })
  expect((await readdir(path)).filter((name) => name !== '.uploads')).toEqual([])
})

/** Where connections keep what they need, as long as they are there. */
async function inTemporaryFolder(use: (connections: () => Promise<number>) => Promise<void>): Promise<void> {
  const before = process.env['TMPDIR']
  const folder = join(root, 'tmp')
  await mkdir(folder)
  process.env['TMPDIR'] = folder
  try {
    await use(async () => (await readdir(folder)).length)
  } finally {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  }
}

it('goes on over a new connection after the first was lost', () =>
  inTemporaryFolder((connections) =>
    on(async (store) => {
      await put(store, 'before')
      await server.stop()
      await expect(put(store, 'while it is down')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', retryable: true })
      await until(async () => (await connections()) === 0, { timeoutMs: 10_000, what: 'the first connection to be gone' })
      server = await startSsh({ dir: join(dir, 'sshd'), port: server.port })
      expect(await put(store, 'after')).toBe('created')
      expect(await keysIn(store)).toEqual(['after', 'before'])
      expect(await connections()).toBe(1)
    }),
  ))

it('leaves neither a process nor a file of the connection behind', () =>
  inTemporaryFolder(async (connections) => {
    await on(async (store) => {
      await put(store)
      expect(await connections()).toBe(1)
    })
    await until(async () => (await connections()) === 0, { timeoutMs: 10_000, what: 'the connection to be gone' })
    const running = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout
    expect(running.split('\n').filter((line) => line.includes(root) && line.startsWith('ssh '))).toEqual([])
  }))
