import { chmod, lstat, lutimes, mkdir, mkdtemp, readFile, rm, stat, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { filesSource, type FilesSourceConfig } from '../../src/drivers/files/config.ts'
import { createFiles } from '../../src/drivers/files/index.ts'
import { treeIn } from '../../src/drivers/files/scratch.ts'
import type { Target } from '../../src/drivers/driver.ts'
import { describeDriver, type DriverHarness } from '../conformance/driver.ts'
import { describeTree, fillTree, removeAttribute, setAttribute } from '../support/files/tree.ts'

const configOf = (more: Partial<FilesSourceConfig> & { root: string }) => filesSource.parse({ driver: 'files', repository: 'hot', ...more })

const inTree =
  (name: string, act: (file: string) => Promise<unknown>) =>
  async ({ dir }: Target) => {
    const file = join(treeIn(dir), name)
    const folder = await stat(treeIn(dir))
    await act(file)
    await utimes(treeIn(dir), folder.atime, folder.mtime)
  }

/** Changes the content and sets everything else back. */
const rewrite = (change: (bytes: Buffer) => Buffer) => async (file: string) => {
  const before = await lstat(file)
  await writeFile(file, change(await readFile(file)))
  await utimes(file, before.atime, before.mtime)
}
const flip = rewrite((bytes) => Buffer.from(bytes.map((byte, at) => (at === 100 ? byte ^ 1 : byte))))

async function openHarness(): Promise<DriverHarness> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-files-'))
  const root = join(dir, 'root')
  await mkdir(root)
  await fillTree(root)
  // Times that Node can set back: it knows no nanoseconds.
  for (const name of ['binary', 'zero', '-dash', 'current.yml', '.']) await lutimes(join(root, name), 1_700_000_000, 1_700_000_000)
  const scratchRoot = join(dir, 'scratch')
  await mkdir(scratchRoot)
  return {
    driver: createFiles(configOf({ root })),
    scratchRoot,
    state: () => describeTree(root),
    leftovers: async () => [],
    alive: (folder) =>
      stat(folder).then(
        () => true,
        () => false,
      ),
    leaks: async (target) => (((await stat(target.dir)).mode & 0o077) === 0 ? [] : ['others may enter']),
    assertions: {
      holds: { name: 'compose', run: ['grep', '-q', 'image: app', 'infra/docker-compose.yml'] },
      red: [
        { name: 'missing', path: 'no/such/file', exists: true },
        { name: 'too many', path: 'zero', exists: false },
        { name: 'outside', path: '../index.jsonl', exists: true },
        { name: 'fails', run: ['false'] },
        { name: 'no program', run: ['/no/such/program'] },
      ],
    },
    tamperings: [
      { name: 'one flipped bit', change: inTree('binary', flip), undo: inTree('binary', flip), red: /^contents$/ },
      {
        name: 'a longer file',
        change: inTree(
          '-dash',
          rewrite((bytes) => Buffer.concat([bytes, bytes])),
        ),
        undo: inTree(
          '-dash',
          rewrite((bytes) => bytes.subarray(1)),
        ),
        red: /^(contents|counts)$/,
      },
      {
        name: 'another mode',
        change: inTree('binary', (file) => chmod(file, 0o755)),
        undo: inTree('binary', (file) => chmod(file, 0o4750)),
        red: /^modes and owners$/,
      },
      {
        name: 'another time',
        change: inTree('zero', (file) => utimes(file, 5, 5)),
        undo: inTree('zero', (file) => utimes(file, 1_700_000_000, 1_700_000_000)),
        red: /^times$/,
      },
      {
        name: 'another attribute',
        change: inTree('zero', async (file) => setAttribute(file, 'user.new', 'x')),
        undo: inTree('zero', async (file) => removeAttribute(file, 'user.new')),
        red: /^attributes and ACLs$/,
      },
      {
        name: 'a missing file',
        change: inTree('zero', unlink),
        undo: inTree('zero', async (file) => {
          await writeFile(file, '', { mode: 0o644 })
          await utimes(file, 1_700_000_000, 1_700_000_000)
        }),
        red: /^(nothing is missing|counts)$/,
      },
      {
        name: 'an added file',
        change: inTree('added', (file) => writeFile(file, '')),
        undo: inTree('added', unlink),
        red: /^(nothing is added|counts)$/,
      },
      {
        name: 'a link that leads elsewhere',
        change: inTree('current.yml', async (file) => {
          await unlink(file)
          await symlink('/etc/passwd', file)
        }),
        undo: inTree('current.yml', async (file) => {
          await unlink(file)
          await symlink('infra/docker-compose.yml', file)
          await lutimes(file, 1_700_000_000, 1_700_000_000)
        }),
        red: /^(types|times)$/,
      },
    ],
    async close() {
      await rm(dir, { recursive: true, force: true })
    },
  }
}

describeDriver('files', openHarness)
