/** What the driver's README says is done as it stands there, on the stand-in. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { sourceSchema } from '../../src/config/schema.ts'
import type { Manifest } from '../../src/core/records.ts'
import { run } from '../../src/process/run.ts'
import { contentsOf } from '../support/qdrant.ts'
import { openStage, type Stage } from '../support/qdrant-stage.ts'

const readme = await readFile('src/drivers/qdrant/README.md', 'utf8')
const blocks = (language: string) => [...readme.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))].map(([, text]) => text ?? '')
const [snapshotByHand = '', exportByHand = ''] = blocks('sh')

describe('the README of qdrant', () => {
  let stage: Stage
  beforeEach(async () => {
    stage = await openStage()
  })
  afterEach(() => stage.close())
  const shell = (script: string) =>
    run({ program: 'bash', args: ['-e', '-o', 'pipefail', '-c', script], cwd: stage.scratchRoot, env: { QDRANT: stage.server.url } })
  /** The stored object and the key, as somebody has them who has nothing else. */
  const fetchTo = async (manifest: Manifest, part: string, name: string) => {
    const { store, identity } = stage.repository
    const artifact = manifest.artifacts.find((one) => one.part === part)
    const chunks: Buffer[] = []
    for await (const chunk of await store.get(artifact?.key ?? '')) chunks.push(Buffer.from(chunk as Buffer))
    await writeFile(join(stage.scratchRoot, name), Buffer.concat(chunks))
    await writeFile(join(stage.scratchRoot, 'key.txt'), await readFile(identity.file))
    return artifact
  }

  it('shows a configuration that holds', () => {
    const [example = ''] = blocks('yaml')
    const { sources } = parse(example) as { sources: Record<string, unknown> }
    expect(sourceSchema.parse(sources['vectors'])).toMatchObject({
      driver: 'qdrant',
      export: { enabled: true, batchSize: 1000 },
      schedules: { scheduled: { retention: '7d' } },
    })
  })

  it('restores a snapshot and its alias by age, zstd and curl', async () => {
    const { client } = stage
    await client.updateCollectionAliases({ actions: [{ create_alias: { alias_name: 'live', collection_name: 'docs' } }] })
    const before = await contentsOf(client)
    const manifest = await stage.point()
    const artifact = await fetchTo(manifest, 'collections/docs/snapshot', 'snapshot.zst.age')
    await fetchTo(manifest, 'aliases', 'aliases.zst.age')
    await client.deleteCollection('docs')
    const { stdout } = await shell(snapshotByHand)
    expect(stdout).toContain(`${artifact?.['sha256']}  docs.snapshot`)
    expect(stdout).toContain('[{"alias_name":"live","collection_name":"docs"}]')
    expect(await contentsOf(client)).toBe(before)
  })

  it('restores an export by curl alone', async () => {
    const before = await contentsOf(stage.client)
    await fetchTo(await stage.point(), 'collections/images/export', 'export.zst.age')
    await stage.client.deleteCollection('images')
    await shell(exportByHand)
    expect(await contentsOf(stage.client)).toBe(before)
  })
})
