import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CaptureRequest } from '../../src/drivers/driver.ts'
import { contextFor, nextRequest } from '../conformance/driver.ts'
import { holdOpen, LDB, ldb, makeStore, startWriter, type Store } from '../support/rocksdb.ts'

let store: Store
beforeEach(async () => {
  store = await makeStore()
})
afterEach(() => store.remove())

const make = async (request: CaptureRequest = nextRequest(), more: object = {}) => {
  const driver = store.driver(more)
  const { checkpoint, ...rest } = (await driver.snapshot?.(contextFor(), request)) ?? {}
  return { driver, request, folder: String(checkpoint), ...rest }
}
const remove = async ({ driver, request }: Awaited<ReturnType<typeof make>>) => driver.removeSnapshot?.(contextFor(), request.id)
const beside = async () => (await readdir(store.dir)).filter((name) => name !== 'store').sort()

/** A marked fake around the real one: for so many times the store flushes before its checkpoint has ended. */
async function flushingLdb(count: string, times: number): Promise<string> {
  const program = join(store.dir, 'ldb')
  const script = `#!/bin/sh
"${LDB}" "$@" || exit 1
case "$*" in *checkpoint_dir*) ;; *) exit 0 ;; esac
echo tried >> "${count}"
n=$(wc -l < "${count}")
[ "$n" -gt ${times} ] || "${LDB}" --db="${store.path}" put "flush-$n" x > /dev/null
`
  await writeFile(program, script, { mode: 0o755 })
  return program
}

describe('a checkpoint', () => {
  it('is taken while a program has the store open, with what that has not flushed, and shares its files', async () => {
    const close = await holdOpen(store.path)
    const made = await make()
    await close()
    expect(await store.contents(made.folder)).toBe(await store.contents())
    const [sst = ''] = (await readdir(made.folder)).filter((name) => name.endsWith('.sst'))
    expect((await stat(join(made.folder, sst))).ino).toBe((await stat(join(store.path, sst))).ino)
    await remove(made)
    expect(await beside()).toEqual([])
  })

  it('during which the store flushed is thrown away and taken again: it may lack what was only in the log', async () => {
    const count = join(store.dir, 'count')
    const made = await make(nextRequest(), { programs: { ldb: await flushingLdb(count, 2) } })
    expect(await readFile(count, 'utf8')).toBe('tried\ntried\ntried\n')
    expect(await ldb(made.folder, 'get', 'flush-2')).toContain('x')
    expect(await store.contents(made.folder)).toBe(await store.contents())
  })

  it('of a store that is never quiet is refused, and it is said what helps', async () => {
    const driver = store.driver({ programs: { ldb: await flushingLdb(join(store.dir, 'count'), 1e9) } }, 2_000)
    await expect(driver.snapshot?.(contextFor(), nextRequest())).rejects.toMatchObject({
      code: 'SOURCE_LOCKED',
      retryable: true,
      next: expect.stringContaining('checkpoint.command'),
    })
  })

  it('has no hole while a program writes and flushes', async () => {
    const path = join(store.dir, 'busy')
    const stop = await startWriter(path)
    try {
      for (let round = 0; round < 4; round += 1) {
        const made = await make(nextRequest(), { path })
        const keys = (await ldb(made.folder, '--key_hex', 'scan', '--no_value')).trim().split('\n')
        // Keys are numbers of eight bytes, and then text.
        expect(Number.parseInt(keys.at(-1)?.slice(2, 18) ?? '', 16)).toBe(keys.length - 1)
        await remove(made)
      }
    } finally {
      await stop()
    }
  }, 120_000)

  it('that is there whole is found again by a second try; the half of a killed one is not taken for it', async () => {
    const request = nextRequest()
    const folder = join(`${store.path}.checkpoints`, `orders-${request.id}`)
    for (const half of ['making-1', 'making-1.tmp', 'making-1-secondary']) await mkdir(join(folder, half), { recursive: true })
    const first = await make({ ...request, attempt: 2 })
    await store.put('later', 'key')
    const second = await make({ ...request, attempt: 3 })
    expect(second.folder).toBe(first.folder)
    expect(await ldb(second.folder, 'scan')).not.toContain('later')
    await remove(second)
    await remove(second)
    expect(await beside()).toEqual([])
  })

  it('by the call of the store itself is given both folders; without a database there it is none', async () => {
    const call = ['sh', '-c', '"$0" --db="$1" checkpoint --checkpoint_dir="$2"', LDB, '{path}', '{checkpoint}']
    const made = await make(nextRequest(), { checkpoint: { command: call } })
    expect(await store.contents(made.folder)).toBe(await store.contents())
    await expect(make(nextRequest(), { checkpoint: { command: ['true'] } })).rejects.toMatchObject({
      message: expect.stringMatching(/^Backup directory not found: .*making-1$/),
    })
    await expect(make(nextRequest(), { checkpoint: { command: ['false'] } })).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
  })

  it('goes where the configuration says, and that folder stays', async () => {
    const checkpointDir = join(store.dir, 'own')
    await mkdir(checkpointDir)
    const made = await make(nextRequest(), { checkpointDir })
    expect(made.folder.startsWith(checkpointDir)).toBe(true)
    await remove(made)
    expect(await readdir(checkpointDir)).toEqual([])
  })

  it('of a store that does not open any more is refused, but before a restore its files are kept as they are', async () => {
    const [manifest = ''] = (await readdir(store.path)).filter((name) => name.startsWith('MANIFEST'))
    await writeFile(join(store.path, manifest), 'nonsense')
    await expect(make()).rejects.toMatchObject({ code: 'SOURCE_UNFIT', object: store.path })
    const made = await make({ ...nextRequest(), kind: 'pre_restore' })
    expect(made).toMatchObject({ asItIs: true })
    expect(await readFile(join(made.folder, manifest), 'utf8')).toBe('nonsense')
    expect(await readdir(made.folder)).not.toContain('LOCK')
    await remove(made)
  })

  it('of a folder that holds no database says so at once', async () => {
    await rm(join(store.path, 'CURRENT'))
    await expect(make()).rejects.toMatchObject({ code: 'SOURCE_UNFIT', message: expect.stringContaining('no RocksDB database') })
  })
})

describe('before a backup it is said', () => {
  const preflight = async (more: object = {}) => store.driver(more).preflight(contextFor())
  const findings = async (more: object) => (await preflight(more)).findings.filter(({ ok }) => !ok)

  it('that the store is not there', async () => {
    await expect(preflight({ path: join(store.dir, 'nope') })).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' })
  })

  it('which column family is lacking, and which there are', async () => {
    const [found] = await findings({ columnFamilies: ['users', 'orders'] })
    expect(found).toMatchObject({ name: 'column families', required: true, detail: 'there is no orders; there is default, users' })
  })

  it('that checkpoints would be copies on another file system, or have no folder', async () => {
    const here = (await stat(store.path)).dev
    const elsewhere = async (folder: string) => ((await stat(folder).catch(() => undefined))?.dev ?? here) !== here
    const other = (await elsewhere('/dev/shm')) ? '/dev/shm' : '/var/tmp'
    if (await elsewhere(other)) expect(await findings({ checkpointDir: other })).toMatchObject([{ name: 'hard links', required: false }])
    expect(await findings({ checkpointDir: join(store.dir, 'nope') })).toMatchObject([{ name: 'checkpoint folder', required: true }])
  })

  it('that ldb cannot read it, which refuses nothing: its own call may', async () => {
    await cp(store.path, join(store.dir, 'broken'), { recursive: true })
    await writeFile(join(store.dir, 'broken', 'CURRENT'), 'MANIFEST-999999\n')
    expect(await findings({ path: join(store.dir, 'broken') })).toMatchObject([{ name: 'column families', required: false }])
  })
})
