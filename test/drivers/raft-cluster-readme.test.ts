/** What the driver's README says is done as it stands there. */
import { createHash } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { sourceSchema } from '../../src/config/schema.ts'
import { run } from '../../src/process/run.ts'
import { readAll } from '../../src/storage/store.ts'
import { contextFor, nextRequest, openRepository, takePoint } from '../conformance/driver.ts'
import { fill, openClusterSource } from '../support/raft-cluster.ts'

const readme = await readFile('src/drivers/raft-cluster/README.md', 'utf8')
const block = (language: string) => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readme)?.[1] ?? ''

it('the README shows a configuration that holds', () => {
  const { sources } = parse(block('yaml')) as { sources: Record<string, unknown> }
  expect(sourceSchema.parse(sources['pages'])).toMatchObject({
    driver: 'raft-cluster',
    every: { entries: 10_000 },
    wal: { archive: 'pages-2024' },
  })
})

it('the README opens a point with stock tools, and every file is what the point says', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-raft-readme-'))
  const repository = await openRepository()
  const source = await openClusterSource({ nodes: 1 })
  try {
    await fill(source.cluster)
    const manifest = await takePoint(await source.driver(), repository, { ...nextRequest(), kind: 'full' })
    await copyFile(repository.identity.file, join(dir, 'identity.txt'))
    for (const { key, part } of manifest.artifacts) await writeFile(join(dir, `${part}.zst.age`), await readAll(repository.store, key))
    await mkdir(join(dir, 'restore'))
    await run({ program: 'sh', args: ['-e', '-c', block('sh')], cwd: dir })
    const files = JSON.parse(await readFile(join(dir, 'files.json'), 'utf8')) as { name: string; sha256: string }[]
    expect(files.map(({ name }) => name)).toEqual([`snapshots/${manifest.consistency.snapshot}`, 'store/kv.db'])
    for (const { name, sha256 } of files)
      expect(
        createHash('sha256')
          .update(await readFile(join(dir, 'restore', name)))
          .digest('hex'),
      ).toBe(sha256)
  } finally {
    await source.remove()
    for (const folder of [dir, repository.dir]) await rm(folder, { recursive: true })
  }
}, 120_000)

it('files are reached through the shell of each node, as over ssh', async () => {
  const repository = await openRepository()
  const source = await openClusterSource({ nodes: 1 })
  const log = join(source.dir, 'ssh.log')
  // One word for the whole line, as ssh gives it to the shell of the other side.
  const ssh = join(source.dir, 'ssh')
  await writeFile(ssh, `#!/bin/sh\necho "$1" >> ${log}\nshift\nexec sh -c "$*"\n`, { mode: 0o755 })
  try {
    await fill(source.cluster)
    const { nodes } = source.config()
    const driver = await source.driver({ nodes: { 'node-1': { ...nodes['node-1'], shell: [ssh, 'backup@node1'] } } })
    const manifest = await takePoint(driver, repository, nextRequest())
    expect(manifest.warnings).toEqual([])
    expect(new Set((await readFile(log, 'utf8')).trim().split('\n'))).toEqual(new Set(['backup@node1']))
    await expect(
      (await source.driver({ nodes: { 'node-1': { ...nodes['node-1'], shell: ['false'] } } })).preflight(contextFor()),
    ).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' })
  } finally {
    await source.remove()
    await rm(repository.dir, { recursive: true })
  }
}, 120_000)
