/** What the driver's README says is done as it stands there. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { retentionRules } from '../../src/config/retention-rules.ts'
import { sourceSchema } from '../../src/config/schema.ts'
import { run } from '../../src/process/run.ts'
import { nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { makeStore, type Store } from '../support/rocksdb.ts'

const readme = await readFile('src/drivers/rocksdb/README.md', 'utf8')
const block = (language: string) => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readme)?.[1] ?? ''

describe('the README of rocksdb', () => {
  let store: Store
  let repository: Repository
  let dir: string
  beforeAll(async () => {
    store = await makeStore()
    repository = await openRepository()
    dir = await mkdtemp(join(tmpdir(), 'holdfast-rocksdb-readme-'))
  })
  afterAll(async () => {
    await store?.remove()
    for (const folder of [repository?.dir, dir]) if (folder) await rm(folder, { recursive: true, force: true })
  })

  it('shows a configuration that holds, with the defaults that it names', () => {
    const { sources } = parse(block('yaml')) as { sources: Record<string, unknown> }
    const source = sourceSchema.parse(sources['meridian'])
    expect(source).toMatchObject({ driver: 'rocksdb', autoVerify: true, freshness: '48h', sizeLimit: '100GB' })
    expect(retentionRules(source, 'hot').kinds).toMatchObject({ scheduled: { keepLast: 7 }, incremental: { keepLast: 10 } })
  })

  it('a schedule that says how many of its points stay has the word', () => {
    const source = store.config({ schedules: { incremental: { calendar: 'hourly', keepLast: 5 } } })
    expect(retentionRules(source, 'hot').kinds).toMatchObject({ scheduled: { keepLast: 7 }, incremental: { keepLast: 5 } })
  })

  it('restores an incremental point by hand', async () => {
    const base = await takePoint(store.driver(), repository, nextRequest())
    await store.put('k2', 'v2')
    const manifest = await takePoint(store.driver(), repository, { ...nextRequest(), kind: 'incremental', base })
    for (const { key } of manifest.artifacts) {
      const chunks: Buffer[] = []
      for await (const chunk of await repository.store.get(key)) chunks.push(Buffer.from(chunk as Buffer))
      await mkdir(dirname(join(dir, 'repository', key)), { recursive: true })
      await writeFile(join(dir, 'repository', key), Buffer.concat(chunks))
    }
    await writeFile(join(dir, 'manifest.json'), JSON.stringify(manifest))
    await writeFile(join(dir, 'key.txt'), await readFile(repository.identity.file))
    const { stdout } = await run({ program: 'sh', args: ['-e', '-c', block('sh')], cwd: dir })
    expect(stdout).toContain('{default, users}')
    expect(await store.contents(join(dir, 'restored'))).toBe(await store.contents())
  })

  it('says how the checksum of the whole is made', async () => {
    const manifest = await takePoint(store.driver(), repository, nextRequest())
    const { Blake3Hasher } = await import('@napi-rs/blake-hash')
    // What b3sum prints: the digest, two spaces, the name.
    const lines = manifest.artifacts
      .map(({ part, contentBlake3 }) => `${contentBlake3}  ${part}\n`)
      .sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1))
    expect(manifest.inventory?.['folder']?.['checksum']).toBe(new Blake3Hasher().update(lines.join('')).digest('hex'))
  })
})
