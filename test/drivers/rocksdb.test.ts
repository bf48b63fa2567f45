import { appendFile, chmod, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Target } from '../../src/drivers/driver.ts'
import { digestOfFile } from '../../src/drivers/common/file-digest.ts'
import { describeDriver, type DriverHarness } from '../conformance/driver.ts'
import { makeStore } from '../support/rocksdb.ts'

/** Names and contents of a folder. */
async function stateOf(folder: string): Promise<string> {
  const names = (await readdir(folder)).sort()
  return (await Promise.all(names.map(async (name) => `${name} ${await digestOfFile(join(folder, name))}`))).join('\n')
}

const largest = async ({ connection }: Target): Promise<string> => {
  const sizes = await Promise.all(
    (await readdir(connection)).map(async (name) => ({ name, size: (await stat(join(connection, name))).size })),
  )
  return join(connection, sizes.sort((a, b) => b.size - a.size)[0]?.name ?? '')
}

/** In the middle of a block of data. */
async function flip(target: Target): Promise<void> {
  const file = await largest(target)
  const bytes = await readFile(file)
  bytes[50_000] = (bytes[50_000] ?? 0) ^ 0xff
  await writeFile(file, bytes)
}

async function openHarness(): Promise<DriverHarness> {
  const store = await makeStore()
  const scratchRoot = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  const moved = (target: Target) => join(target.dir, 'moved.sst')
  let name = ''
  let size = 0
  return {
    driver: store.driver(),
    scratchRoot,
    state: () => stateOf(store.path),
    leftovers: async () => (await readdir(store.dir)).filter((entry) => entry !== 'store'),
    alive: (dir) =>
      stat(dir).then(
        () => true,
        () => false,
      ),
    assertions: {
      holds: { name: 'known', get: 'k1', equals: 'v1' },
      red: [
        { name: 'other value', get: 'k1', equals: 'v2' },
        { name: 'no key', get: 'nope', equals: 'v1' },
        { name: 'no column family', get: 'k1', equals: 'v1', columnFamily: 'nope' },
        { name: 'program', run: ['false'] },
        { name: 'no program', run: ['/no/such/program', '{path}'] },
      ],
    },
    leaks: async ({ connection }) => (((await stat(connection)).mode & 0o777) === 0o700 ? [] : ['others may enter the copy']),
    tamperings: [
      { name: 'one flipped byte', change: flip, undo: flip, red: /^(files|checksum|all of default)$/ },
      {
        name: 'a truncated file',
        change: async (target) => {
          name = await largest(target)
          size = (await stat(name)).size
          await rename(name, moved(target))
          await writeFile(name, await readFile(moved(target)))
          await truncate(name, size - 100)
        },
        undo: (target) => rename(moved(target), name),
        red: /^(files|checksum|opens read-only|column family \w+|all of \w+)$/,
      },
      {
        name: 'a missing file',
        change: async (target) => {
          name = await largest(target)
          await rename(name, moved(target))
        },
        undo: (target) => rename(moved(target), name),
        red: /^(files|checksum|opens read-only|column family \w+|all of \w+)$/,
      },
      {
        name: 'an added file',
        change: ({ connection }) => appendFile(join(connection, 'added'), 'x'),
        undo: ({ connection }) => rm(join(connection, 'added')),
        red: /^(files|checksum)$/,
      },
    ],
    async close() {
      await store.remove()
      await chmod(scratchRoot, 0o700)
      await rm(scratchRoot, { recursive: true, force: true })
    },
  }
}

describeDriver('rocksdb', openHarness)
