import { appendFile, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Target } from '../../src/drivers/driver.ts'
import { dataIn, nodeIn } from '../../src/drivers/raft-cluster/places.ts'
import { describeDriver, type DriverHarness } from '../conformance/driver.ts'
import { fill, openClusterSource } from '../support/raft-cluster.ts'

const snapshotsOf = ({ dir }: Target) => join(dataIn(dir), 'raft', 'snapshots')
const newestOf = async (target: Target) => join(snapshotsOf(target), (await readdir(snapshotsOf(target))).sort().at(-1) ?? '')

/** One letter of a value. */
async function flip(target: Target): Promise<void> {
  const file = await newestOf(target)
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.includes('value 7') ? text.replace('value 7', 'valve 7') : text.replace('valve 7', 'value 7'))
}

async function openHarness(): Promise<DriverHarness> {
  const source = await openClusterSource()
  await fill(source.cluster)
  const scratchRoot = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  const aside = ({ dir }: Target) => join(dir, 'aside.snap')
  let moved = ''
  return {
    driver: await source.driver(),
    scratchRoot,
    state: async () => `${await source.contents()}\npaused ${await source.paused()}`,
    leftovers: () => source.leftovers(),
    alive: (dir) =>
      stat(dir).then(
        () => true,
        () => false,
      ),
    assertions: {
      holds: { name: 'orders', query: 'SELECT COUNT(*) FROM orders', equals: '20' },
      red: [
        { name: 'another number', query: 'SELECT COUNT(*) FROM orders', equals: '21' },
        { name: 'no question', query: 'SELECT * FROM orders', equals: '20' },
      ],
    },
    leaks: async ({ dir }) => {
      const config = await readFile(join(nodeIn(dir), 'etc', 'config.toml'), 'utf8')
      const others = source.cluster.nodes.filter(({ url }) => config.includes(new URL(url).host))
      return [...others.map(({ url }) => `it knows ${url}`), ...(config.includes('archive_command') ? ['it archives'] : [])]
    },
    tamperings: [
      { name: 'a changed value', change: flip, undo: flip, red: /^(checksum|verify-checksums)$/ },
      {
        name: 'a missing snapshot',
        change: async (target) => {
          moved = await newestOf(target)
          await rename(moved, aside(target))
        },
        undo: (target) => rename(aside(target), moved),
        red: /^(files|checksum)$/,
      },
      {
        name: 'an added file',
        change: (target) => appendFile(join(snapshotsOf(target), 'added'), 'x'),
        undo: (target) => rm(join(snapshotsOf(target), 'added')),
        red: /^(files|checksum)$/,
      },
    ],
    async close() {
      await source.remove()
      await rm(scratchRoot, { recursive: true, force: true })
    },
  }
}

describeDriver('raft-cluster', openHarness)
