import { readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Target } from '../../src/drivers/driver.ts'
import { pathOf } from '../../src/drivers/bucket/places.ts'
import { describeDriver, type DriverHarness } from '../conformance/driver.ts'
import { openShop } from '../support/bucket.ts'

const LARGE = 'photos/large.bin'
const fileOf = ({ connection }: Target, key = LARGE): string => join(connection, pathOf(key))

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path)
  bytes[50] = (bytes[50] ?? 0) ^ 0xff
  await writeFile(path, bytes)
}

async function openHarness(): Promise<DriverHarness> {
  const shop = await openShop()
  const moved = ({ dir }: Target) => join(dir, 'moved')
  return {
    driver: shop.driver(),
    scratchRoot: shop.scratchRoot,
    state: shop.contents,
    leftovers: shop.leftovers,
    alive: (dir) =>
      stat(dir).then(
        () => true,
        () => false,
      ),
    assertions: {
      holds: { name: 'readme', key: 'readme.txt', text: 'a shop' },
      red: [
        { name: 'other text', key: 'readme.txt', text: 'a ship' },
        { name: 'other size', key: 'readme.txt', bytes: 7 },
        { name: 'no such key', key: 'nope' },
        { name: 'a deleted one', key: 'gone.txt' },
        { name: 'too few', prefix: 'photos/', atLeast: 42 },
      ],
    },
    leaks: async ({ dir }) => (((await stat(dir)).mode & 0o777) === 0o700 ? [] : ['others may enter the copy']),
    tamperings: [
      { name: 'one flipped byte', change: (at) => flip(fileOf(at)), undo: (at) => flip(fileOf(at)), red: /^contents$/ },
      {
        name: 'a truncated object',
        change: async (at) => {
          await writeFile(moved(at), await readFile(fileOf(at)))
          await truncate(fileOf(at), 100)
        },
        undo: (at) => rename(moved(at), fileOf(at)),
        red: /^(bytes|contents)$/,
      },
      {
        name: 'a missing object',
        change: (at) => rename(fileOf(at), moved(at)),
        undo: (at) => rename(moved(at), fileOf(at)),
        red: /^(objects|bytes|contents)$/,
      },
      {
        name: 'an added object',
        change: (at) => writeFile(fileOf(at, 'photos/added'), ''),
        undo: (at) => rm(fileOf(at, 'photos/added')),
        red: /^objects$/,
      },
      {
        name: 'a changed index',
        change: ({ dir }) => flip(join(dir, 'index.ndjson')),
        undo: ({ dir }) => flip(join(dir, 'index.ndjson')),
        red: /^index$/,
      },
    ],
    close: shop.close,
  }
}

describeDriver('bucket', openHarness)
