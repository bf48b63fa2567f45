/** What the driver's README says is done as it stands there. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { put } from '../../scripts/sources/bucket.ts'
import { sourceSchema } from '../../src/config/schema.ts'
import { run } from '../../src/process/run.ts'
import { nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { openShop, type Shop } from '../support/bucket.ts'

const readme = await readFile('src/drivers/bucket/README.md', 'utf8')
const block = (language: string) => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readme)?.[1] ?? ''

describe('the README of bucket', () => {
  let shop: Shop
  let repository: Repository
  let dir: string
  beforeAll(async () => {
    shop = await openShop()
    repository = await openRepository()
    dir = await mkdtemp(join(tmpdir(), 'holdfast-bucket-readme-'))
  })
  afterAll(async () => {
    await shop?.close()
    for (const folder of [repository?.dir, dir]) if (folder) await rm(folder, { recursive: true, force: true })
  })

  it('shows a configuration that holds', () => {
    const { sources } = parse(block('yaml')) as { sources: Record<string, unknown> }
    expect(sourceSchema.parse(sources['photos'])).toMatchObject({ driver: 'bucket', tags: true, packSize: '256MB' })
  })

  it('takes one object out of a point by hand', async () => {
    await put(shop.client, 'photos/logo.png', { body: 'the logo' })
    const manifest = await takePoint(shop.driver(), repository, nextRequest())
    for (const { key } of manifest.artifacts) {
      const chunks: Buffer[] = []
      for await (const chunk of await repository.store.get(key)) chunks.push(Buffer.from(chunk as Buffer))
      await writeFile(join(dir, basename(key)), Buffer.concat(chunks))
    }
    await writeFile(join(dir, 'key.txt'), await readFile(repository.identity.file))
    await run({ program: 'sh', args: ['-e', '-c', block('sh')], cwd: dir })
    expect(await readFile(join(dir, 'logo.png'), 'utf8')).toBe('the logo')
  })
})
