/** A restore over a live Qdrant: by a change of aliases where there are any, else in place; on the stand-in. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Manifest } from '../../src/core/records.ts'
import type { RestoreChoice, Swapped } from '../../src/drivers/driver.ts'
import { startFlakyProxy } from '../support/flaky-proxy.ts'
import { contentsOf, fillPlain, leftOn } from '../support/qdrant.ts'
import { openStage, type Stage } from '../support/qdrant-stage.ts'

let stage: Stage
let client: Stage['client']
let before: string
beforeEach(async () => {
  stage = await openStage()
  client = stage.client
  before = await contentsOf(client)
})
afterEach(() => stage.close())

const alias = (alias_name: string, collection_name: string) =>
  client.updateCollectionAliases({ actions: [{ create_alias: { alias_name, collection_name } }] })
const change = async (name = 'docs') => {
  await client.upsert(name, { wait: true, points: [{ id: 1, vector: {}, payload: { changed: true } }] })
  await client.delete(name, { wait: true, points: [2] })
}
const restore = async (manifest: Manifest, choice: RestoreChoice = {}): Promise<Swapped> => (await stage.aside(manifest, choice)).swap()

describe('collections without aliases', () => {
  it('are recovered in place, whole, with what was added since gone', async () => {
    const manifest = await stage.point()
    await change()
    await client.deleteCollection('images')
    const swapped = await restore(manifest)
    expect(swapped.warnings).toBeUndefined()
    expect(swapped.notes).toContain('what was replaced under its own name is in the safety backup')
    expect(await contentsOf(client)).toBe(before)
    expect(await leftOn(client)).toEqual([])
  })

  it('are restored one by one by name; the others stay as they are', async () => {
    const images = await contentsOf(client, ['images'])
    const manifest = await stage.point()
    await change('docs')
    await client.delete('images', { wait: true, points: [3] })
    await restore(manifest, { parts: ['images'] })
    expect(await contentsOf(client, ['images'])).toBe(images)
    expect((await client.retrieve('docs', { ids: [1] }))[0]?.payload).toEqual({ changed: true })
    await expect(restore(manifest, { parts: ['nope'] })).rejects.toMatchObject({ code: 'INPUT_INVALID', next: 'name docs, images' })
  })

  it('that were deleted come back with their aliases', async () => {
    await alias('live', 'docs')
    before = await contentsOf(client)
    const manifest = await stage.point()
    await client.deleteCollection('docs')
    await restore(manifest)
    expect(await contentsOf(client)).toBe(before)
    expect(await leftOn(client)).toEqual([])
  })

  it('with other vectors by now are refused, and may be restored into another name', async () => {
    const manifest = await stage.point()
    await client.deleteCollection('docs')
    await fillPlain(client, 'docs')
    await expect(stage.aside(manifest)).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      message: expect.stringContaining('other vectors'),
    })
    const swapped = await restore(manifest, { parts: ['docs'], into: 'docs again' })
    expect(swapped.database).toBe('docs again')
    expect(swapped.notes?.[0]).toContain('no alias leads to docs again')
    expect(await client.count('docs again', { exact: true })).toEqual({ count: 61 })
  })

  it('are refused with mode empty where they are there', async () => {
    const manifest = await stage.point()
    await expect(stage.aside(manifest, { mode: 'empty' })).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
    await client.deleteCollection('docs')
    await restore(manifest, { mode: 'empty', parts: ['docs'] })
    expect(await contentsOf(client)).toBe(before)
  })
})

describe('collections that an alias leads to', () => {
  it('are restored beside the old one, and the alias leads to it then; the old one is kept as it was', async () => {
    await alias('live', 'docs')
    const manifest = await stage.point()
    await change()
    const changed = await contentsOf(client, ['docs'])
    const swapped = await restore(manifest, { parts: ['docs'] })
    expect(swapped.keptAs).toBe('docs')
    expect(swapped.warnings).toBeUndefined()
    const [leads] = (await client.getAliases()).aliases
    expect(leads?.collection_name).toBe(swapped.database)
    expect(leads?.collection_name).toMatch(/^docs_restored_/)
    const points = (text: string) => text.split('\n').slice(1, -1)
    expect(points(await contentsOf(client, [swapped.database]))).toEqual(
      before
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .slice(0, 61),
    )
    expect(points(await contentsOf(client, ['docs']))).toEqual(points(changed))
    expect(await leftOn(client)).toEqual([])
  })

  it('are switched with all other aliases in one request, or not at all', async () => {
    await alias('live', 'docs')
    await alias('pictures', 'images')
    const manifest = await stage.point()
    const proxy = await startFlakyProxy(stage.server.url)
    await stage.configure({}, proxy.endpoint)
    const { swap } = await stage.aside(manifest)
    await stage.server.fail({ method: 'POST', path: '/collections/aliases', status: 500 })
    await expect(swap()).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' })
    expect((await client.getAliases()).aliases.map(({ collection_name }) => collection_name).sort()).toEqual(['docs', 'images'])
    const swapped = await swap()
    const again = await swap()
    expect(proxy.requests.filter((request) => request.startsWith('POST /collections/aliases'))).toHaveLength(2)
    await proxy.stop()
    expect(again).toEqual(swapped)
    expect(swapped.keptAs).toBe('docs, images')
    expect((await client.getAliases()).aliases.map(({ collection_name }) => collection_name).join(', ')).toBe(swapped.database)
  })

  it('are said where the source would not back up what the alias leads to now', async () => {
    await alias('live', 'docs')
    await stage.configure({ collections: { include: ['docs'] } })
    const swapped = await restore(await stage.point())
    expect(swapped.warnings).toEqual([expect.stringMatching(/does not include docs_restored_.*not backed up until it does/)])
    // By the name of the alias it is.
    await stage.configure({ collections: { include: ['live'] } })
    expect((await restore(await stage.point())).warnings).toBeUndefined()
  })
})

describe('a portable export', () => {
  it('is merged into what is there: its points come back, others stay', async () => {
    const manifest = await stage.point()
    await change()
    await client.upsert('images', { wait: true, points: [{ id: 77, vector: [1, 1, 1, 1] }] })
    const swapped = await restore(manifest, { mode: 'upsert' })
    expect(swapped.warnings).toBeUndefined()
    await client.delete('images', { wait: true, points: [77] })
    expect(await contentsOf(client)).toBe(before)
    expect(await leftOn(client)).toEqual([])
  })

  it('goes where the snapshots of another version do not, and makes what is not there', async () => {
    const manifest = await stage.point()
    const older = { ...manifest, versions: { ...manifest.versions, qdrant: '1.17.2' } }
    for (const name of ['docs', 'images']) await client.deleteCollection(name)
    await expect(stage.aside(older)).rejects.toMatchObject({
      code: 'VERSION_UNFIT',
      next: expect.stringContaining('upsert'),
    })
    await restore(older, { mode: 'upsert' })
    expect(await contentsOf(client)).toBe(before)
  })

  it('fills another name that the alias leads to then', async () => {
    await alias('live', 'docs')
    const manifest = await stage.point()
    await change()
    const swapped = await restore(manifest, { mode: 'upsert', parts: ['docs'], into: 'docs 2' })
    expect(swapped).toMatchObject({ database: 'docs 2', keptAs: 'docs' })
    expect((await client.retrieve('live', { ids: [1, 2] })).map(({ payload }) => payload?.['n'])).toEqual([1, 2])
    expect((await client.getAliases()).aliases).toEqual([{ alias_name: 'live', collection_name: 'docs 2' }])
    expect(await leftOn(client)).toEqual([])
  })
})
