/** The log in the repositories of copies: what the points there are replayed with, kept by their needs, and read where its own is gone. */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createCopyActivities } from '../../../activities/copies.ts'
import { createRetentionActivities } from '../../../activities/retention.ts'
import type { Services } from '../../../activities/services.ts'
import { createFolderStore } from '../../../src/storage/folder.ts'
import type { Store } from '../../../src/storage/store.ts'
import { heldIn } from '../../../src/wal/contents.ts'
import { pushWal } from '../../../src/wal/push.ts'
import { removeWal } from '../../../src/wal/remove.ts'
import { openArchive } from '../../../workers/open-archive.ts'
import { inActivity } from '../../support/activity.ts'
import { type ArchiveUnderTest, createArchive } from '../../support/archive.ts'
import { addPoint, catalogOn } from '../../support/catalog.ts'
import { type PagesLog, pagesServices } from '../../support/pages.ts'

const OLD = '20250101_120000_full'
const NEWEST = '20250103_120000_full'
let under: ArchiveUnderTest
let dir: string
let services: Services
const store = (repository: string): Promise<Store> => createFolderStore(join(dir, repository))
const LOG: PagesLog = {
  archives: { 'pages-1': { repository: 'logs' }, 'pages-2': { repository: 'logs', keep: '30d' }, here: { repository: 'dr', keep: '0s' } },
  wal: { archive: 'pages-2', earlier: ['pages-1', 'here'] },
}
beforeEach(async () => {
  under = await createArchive()
  dir = await mkdtemp(join(tmpdir(), 'holdfast-log-copies-'))
  for (const repository of ['hot', 'logs', 'dr']) await mkdir(join(dir, repository))
  use(['dr'])
  for (const archive of ['pages-1', 'pages-2'])
    for (const name of ['1-10.wal', '11-20.wal', '21-30.wal'])
      await pushWal(under.on(await store('logs'), archive), await under.file(name, name))
})
afterEach(async () => {
  await under.destroy()
  await rm(dir, { recursive: true, force: true })
})
function use(copies: unknown[]): void {
  services = pagesServices(dir, LOG, copies)
}
const point = async (repository: string, id: string, index: number, archive = 'pages-2') =>
  addPoint(await store(repository), id, { source: 'pages', inventory: { wal: { archive }, snapshot: { index } } })
const copyLogs = (to = 'dr') => inActivity(() => createCopyActivities(services).copyLogs({ source: 'pages', to }))
const heldOf = async (repository: string, wanted: string) =>
  (await heldIn({ archive: 'pages-2', store: await store(repository) })).held.filter(({ name }) => name === wanted)
const removeFrom = async (repository: string, name: string) =>
  removeWal({ archive: 'pages-2', store: await store(repository) }, await heldOf(repository, name))
async function damage(repository: string, name: string): Promise<void> {
  const [key = ''] = (await heldOf(repository, name)).flatMap(({ objects }) => objects)
  const bytes = await readFile(join(dir, repository, key))
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
  await writeFile(join(dir, repository, key), bytes)
}
const inDr = async (archive = 'pages-2') => (await heldIn({ archive, store: await store('dr') })).held.map(({ name }) => name)

describe('the log beside copies', () => {
  it('is asked for where the source has one that is elsewhere, unless it was declined', async () => {
    const targets = () => createCopyActivities(services).copyTargets({ source: 'pages' })
    expect(await targets()).toEqual({ targets: [{ to: 'dr', verify: 'read', log: true }] })
    use([{ to: 'dr', log: false }])
    expect(await targets()).toEqual({ targets: [{ to: 'dr', verify: 'read' }] })
  })

  it('comes from the oldest point there on, and again only what is new', async () => {
    await point('hot', OLD, 5)
    expect(await copyLogs()).toMatchObject([{ segments: 0 }, { segments: 0 }])
    await point('dr', NEWEST, 15)
    expect(await copyLogs()).toMatchObject([
      { archive: 'pages-2', segments: 2, bytes: expect.any(Number) },
      { archive: 'pages-1', segments: 0 },
    ])
    expect(await inDr()).toEqual(['11-20.wal', '21-30.wal'])
    expect(await inDr('pages-1')).toEqual([])
    await pushWal(under.on(await store('logs'), 'pages-2'), await under.file('31-40.wal', 'new'))
    expect(await copyLogs()).toMatchObject([{ segments: 1 }, { segments: 0 }])
    expect(await inDr()).toEqual(['11-20.wal', '21-30.wal', '31-40.wal'])
  })

  it('comes, and stays, for a point there whose source was called otherwise', async () => {
    const former = { source: 'pages-of-old', driver: 'raft-cluster', inventory: { wal: { archive: 'pages-2' }, snapshot: { index: 15 } } }
    await addPoint(await store('dr'), OLD, former)
    await point('hot', NEWEST, 30)
    const plan = () =>
      inActivity(() => createRetentionActivities(services).planLog({ source: 'pages', archive: 'pages-2', keep: '0s', leaving: [] }))
    expect(await plan()).toMatchObject({ segments: 1, needed: { by: `${OLD} in dr, which lacks them,` } })
    expect(await copyLogs()).toMatchObject([{ archive: 'pages-2', segments: 2 }, {}])
    expect(await plan()).toMatchObject({ segments: 3 })
  })

  it('that has a gap is copied all the same, and the gap is named as long as a point there is older', async () => {
    await removeFrom('logs', '11-20.wal')
    await point('dr', OLD, 5)
    const gap = `entries 11 to 20 of pages-2 are missing: no moment behind them is reached from ${OLD}`
    expect(await copyLogs()).toEqual([
      { archive: 'pages-2', segments: 2, bytes: expect.any(Number), problems: [gap] },
      { archive: 'pages-1', segments: 0, bytes: 0 },
    ])
    expect(await copyLogs()).toMatchObject([{ segments: 0, problems: [gap] }, {}])
    await (await catalogOn(await store('dr'))).deletePoint('pages', OLD)
    await point('dr', NEWEST, 20)
    expect((await copyLogs())[0]).not.toHaveProperty('problems')
  })

  it('that begins later than the oldest point there has a gap too', async () => {
    await removeFrom('logs', '1-10.wal')
    await point('dr', OLD, 5)
    expect(await copyLogs()).toMatchObject([{ problems: [expect.stringContaining('entries 6 to 10 of pages-2')] }, {}])
  })

  it('is brought but for what is damaged where it was shipped to, which is named', async () => {
    await damage('logs', '11-20.wal')
    await point('dr', OLD, 5)
    expect(await copyLogs()).toMatchObject([
      {
        segments: 2,
        problems: [
          expect.stringMatching(/^11-20\.wal of pages-2 was not copied: .*\/11-20\.wal\//),
          expect.stringContaining('entries 11 to 20 of pages-2'),
        ],
      },
      {},
    ])
    expect(await inDr()).toEqual(['1-10.wal', '21-30.wal'])
  })

  it('what is damaged or missing where it was shipped to comes from another copy', async () => {
    await mkdir(join(dir, 'far'))
    use(['dr', 'far'])
    for (const repository of ['dr', 'far']) await point(repository, OLD, 5)
    await copyLogs('far')
    await removeFrom('logs', '1-10.wal')
    await damage('logs', '21-30.wal')
    expect((await copyLogs())[0]).toEqual({ archive: 'pages-2', segments: 3, bytes: expect.any(Number) })
    expect(await inDr()).toEqual(['1-10.wal', '11-20.wal', '21-30.wal'])
    // Where that one is away as well, what lacks is said, and the rest has come.
    await removeFrom('dr', '1-10.wal')
    await rm(join(dir, 'far'), { recursive: true })
    expect(await copyLogs()).toMatchObject([{ segments: 0, problems: [expect.stringContaining('entries 6 to 10')] }, {}])
  })

  it('stays there for the points of there, by the rule of the archive', async () => {
    await point('hot', NEWEST, 30)
    await point('dr', OLD, 15)
    await copyLogs()
    const retention = createRetentionActivities(services)
    expect(await retention.planRetention({ source: 'pages', repository: 'dr' })).toMatchObject({
      repository: 'dr',
      keepLogs: [{ archive: 'pages-2', keep: '30d' }],
    })
    use([{ to: 'dr', log: false }])
    expect(await createRetentionActivities(services).planRetention({ source: 'pages', repository: 'dr' })).not.toHaveProperty('keepLogs')
    const plan = (repository?: string) =>
      inActivity(() =>
        retention.planLog({ source: 'pages', archive: 'pages-2', keep: '0s', leaving: [], ...(repository && { repository }) }),
      )
    expect(await plan()).toMatchObject({ segments: 3, last: '21-30.wal' })
    expect(await plan('dr')).toMatchObject({ segments: 0, needed: { segments: 2, by: OLD } })
    await (await catalogOn(await store('dr'))).deletePoint('pages', OLD)
    await point('dr', NEWEST, 20)
    const { last = '' } = await plan('dr')
    expect(last).toBe('11-20.wal')
    await inActivity(() => retention.removeLog({ source: 'pages', archive: 'pages-2', keep: '0s', repository: 'dr', last }))
    expect(await inDr()).toEqual(['21-30.wal'])
    expect((await heldIn({ archive: 'pages-2', store: await store('logs') })).held).toHaveLength(3)
  })

  it('stays where it was shipped to as long as a copy needs it and lacks it, or nobody can say', async () => {
    await point('hot', NEWEST, 30)
    const { planLog, removeLog } = createRetentionActivities(services)
    const request = { source: 'pages', archive: 'pages-2', keep: '0s' }
    const plan = () => inActivity(() => planLog({ ...request, leaving: [] }))
    expect(await plan()).toMatchObject({ segments: 3 })
    await point('dr', OLD, 15)
    expect(await plan()).toMatchObject({
      segments: 1,
      last: '1-10.wal',
      needed: { segments: 2, by: `${OLD} in dr, which lacks them,` },
    })
    await expect(inActivity(() => removeLog({ ...request, last: '21-30.wal' }))).rejects.toMatchObject({ code: 'POINT_PROTECTED' })
    await rename(join(dir, 'dr'), join(dir, 'dr-away'))
    expect(await plan()).toMatchObject({ segments: 0, unhealthy: true, left: expect.stringContaining('whether its copies have it') })
    await rename(join(dir, 'dr-away'), join(dir, 'dr'))
    await copyLogs()
    expect(await plan()).toMatchObject({ segments: 3, last: '21-30.wal' })
  })

  it('that lies where the copies lie, by itself, stays for them too', async () => {
    for (const name of ['1-10.wal', '11-20.wal', '21-30.wal'])
      await pushWal(under.on(await store('dr'), 'here'), await under.file(name, name))
    await point('hot', NEWEST, 30, 'here')
    const plan = (leaving: string[] = []) =>
      inActivity(() => createRetentionActivities(services).planLog({ source: 'pages', archive: 'here', keep: '0s', leaving }))
    expect(await plan()).toMatchObject({ segments: 3 })
    for (const repository of ['hot', 'dr']) await point(repository, OLD, 10, 'here')
    expect(await plan()).toMatchObject({ segments: 1, needed: { segments: 2, by: OLD } })
    // As a dry run sees it: the point would go, its copy stays.
    expect(await plan([OLD])).toMatchObject({ segments: 1, needed: { segments: 2, by: OLD } })
    use([{ to: 'dr', log: false }])
    expect(await plan([OLD])).toMatchObject({ segments: 3 })
    expect(await createRetentionActivities(services).planRetention({ source: 'pages', repository: 'dr' })).not.toHaveProperty('keepLogs')
  })

  it('is to be had from each place that answers, where one is damaged', async () => {
    await point('dr', OLD, 5)
    await copyLogs()
    const places = async () => (await (await openArchive(services.config, 'pages-2')).places?.())?.map(({ copyIn }) => copyIn)
    expect(await places()).toEqual([undefined, 'dr'])
    const opened = await openArchive(services.config, 'pages-2')
    await rename(join(dir, 'logs'), join(dir, 'gone'))
    expect((await opened.places?.())?.map(({ copyIn }) => copyIn)).toEqual(['dr'])
    use([{ to: 'dr', log: false }])
    await rename(join(dir, 'gone'), join(dir, 'logs'))
    expect(await places()).toBeUndefined()
  })

  it('is read where that of its own repository is gone, which is said; else never', async () => {
    await point('dr', OLD, 5)
    await copyLogs()
    const where = async () => {
      const { store: opened, copyIn } = await openArchive(services.config, 'pages-2')
      return [(opened as Store).name, copyIn]
    }
    expect(await where()).toEqual([`folder:${join(dir, 'logs')}`, undefined])
    await rename(join(dir, 'logs'), join(dir, 'gone'))
    expect(await where()).toEqual([`folder:${join(dir, 'dr')}`, 'dr'])
    await mkdir(join(dir, 'logs'))
    expect(await where()).toEqual([`folder:${join(dir, 'dr')}`, 'dr'])
    await rename(join(dir, 'dr'), join(dir, 'dr-gone'))
    expect(await where()).toEqual([`folder:${join(dir, 'logs')}`, undefined])
    await rm(join(dir, 'logs'), { recursive: true })
    await expect(openArchive(services.config, 'pages-2')).rejects.toMatchObject({ message: expect.stringContaining('logs') })
  })
})
