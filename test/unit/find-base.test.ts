/** What a recovery to a point in time begins with where points and their log are in several repositories; planned by the real driver of a raft cluster. */
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createCopyActivities } from '../../activities/copies.ts'
import { findBase } from '../../activities/find-base.ts'
import { createFolderStore } from '../../src/storage/folder.ts'
import { heldIn } from '../../src/wal/contents.ts'
import { pushWal } from '../../src/wal/push.ts'
import { removeWal } from '../../src/wal/remove.ts'
import { inActivity } from '../support/activity.ts'
import { type ArchiveUnderTest, createArchive } from '../support/archive.ts'
import { addPoint, catalogOn } from '../support/catalog.ts'
import { type PagesLog, pagesServices, REPOSITORIES } from '../support/pages.ts'

const OLD = '20250101_120000_full'
const YOUNG = '20250103_120000_full'
const BETWEEN = { time: '2025-01-02T12:00:00Z' }
let under: ArchiveUnderTest
let dir: string
beforeEach(async () => {
  under = await createArchive()
  dir = await mkdtemp(join(tmpdir(), 'holdfast-base-'))
  for (const repository of REPOSITORIES) await mkdir(join(dir, repository))
  for (const repository of ['hot', 'dr']) for (const id of [OLD, YOUNG]) await point(repository, id)
  for (const name of ['1-10.wal', '11-20.wal']) await pushWal(under.on(await store('logs'), 'pages'), await under.file(name, name))
})
afterEach(async () => {
  await under.destroy()
  await rm(dir, { recursive: true, force: true })
})

const store = (repository: string) => createFolderStore(join(dir, repository))
const point = async (repository: string, id: string) =>
  addPoint(await store(repository), id, { source: 'pages', inventory: { wal: { archive: 'pages' }, snapshot: { index: 5 } } })
const lose = (repository: string) => rename(join(dir, repository), join(dir, `${repository}-gone`))

const LOG: PagesLog = { archives: { pages: { repository: 'logs' } }, wal: { archive: 'pages' } }
const services = (copies: unknown[]) => pagesServices(dir, LOG, copies)
const find = (copies: unknown[] = ['dr'], target: object = BETWEEN) => findBase(services(copies), { source: 'pages', target }, undefined)

describe('a recovery of a raft cluster begins', () => {
  it('in the repository of the source, as long as that can', async () => {
    expect(await find()).toEqual({ id: OLD, timeline: 1, walSwitched: false, warnings: [] })
  })

  it('with the copy and the copy of the log, where both are gone', async () => {
    await inActivity(() => createCopyActivities(services(['dr'])).copyLogs({ source: 'pages', to: 'dr' }))
    for (const repository of ['hot', 'logs']) await lose(repository)
    expect(await find()).toMatchObject({ id: OLD, repository: 'dr', instead: expect.stringContaining('the copy in dr was taken') })
  })

  it('nowhere where the log was not copied: what can be had is said, of the copy that is nearest to the moment', async () => {
    for (const repository of ['hot', 'logs']) await lose(repository)
    const refusal = { code: 'NOT_FOUND', message: expect.stringMatching(/^the log of pages cannot be read, and no copy has it: /) }
    const next = (id: string) => expect.stringContaining(`holdfast restore pages ${id} --repository dr brings back what was there at`)
    await expect(find([{ to: 'dr', log: false }])).rejects.toMatchObject({ ...refusal, next: next(OLD) })
    await expect(find([{ to: 'dr', log: false }], { latest: true })).rejects.toMatchObject({ ...refusal, next: next(YOUNG) })
  })

  it('with the points that the source has, where only the log is gone: no copy is asked', async () => {
    await lose('logs')
    const refusal = { code: 'NOT_FOUND', next: expect.stringContaining(`holdfast restore pages ${OLD} --repository hot`) }
    await expect(find([{ to: 'dr', log: false }])).rejects.toMatchObject(refusal)
  })

  it('with a point that is kept off-site only, for a moment that no other reaches', async () => {
    await catalogOn(await store('hot')).deletePoint('pages', OLD)
    const found = await find()
    expect(found).toMatchObject({ id: OLD, repository: 'dr' })
    expect(found).not.toHaveProperty('instead')
  })

  it('with that point by the copy of the log, where its own has lost what was older', async () => {
    await inActivity(() => createCopyActivities(services(['dr'])).copyLogs({ source: 'pages', to: 'dr' }))
    await catalogOn(await store('hot')).deletePoint('pages', OLD)
    const logs = { archive: 'pages', store: await store('logs') }
    await pushWal(under.on(logs.store, 'pages'), await under.file('21-30.wal', 'new'))
    const { held } = await heldIn(logs)
    await removeWal(
      logs,
      held.filter(({ name }) => name !== '21-30.wal'),
    )
    expect(await find()).toMatchObject({ id: OLD, repository: 'dr' })
    await expect(find([{ to: 'dr', log: false }])).rejects.toMatchObject({
      message: expect.stringContaining('entries 6 to 20 are missing'),
    })
  })

  it('at no place for what no log reaches, which is no matter of the repository', async () => {
    await expect(find(['dr'], { lsn: '0/1' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(find(['dr'], { time: '2024-12-31T00:00:00Z' })).rejects.toMatchObject({
      code: 'TARGET_OUT_OF_RANGE',
      message: expect.stringContaining('; in dr: no recovery point'),
    })
  })
})
