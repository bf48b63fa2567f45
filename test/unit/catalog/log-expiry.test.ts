/** The log that an engine ships: what is planned goes and nothing else, by the points of every source that it belongs to. */
import { beforeEach, describe, expect, it } from 'vitest'
import { createRetentionActivities } from '../../../activities/retention.ts'
import type { Services } from '../../../activities/services.ts'
import { manifestKey } from '../../../src/catalog/keys.ts'
import { configSchema } from '../../../src/config/schema.ts'
import type { LogPlan } from '../../../src/core/log-expiry.ts'
import { createDriver } from '../../../src/drivers/raft-cluster/index.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { heldIn } from '../../../src/wal/contents.ts'
import { parseWalName, placeOf, recordKeyOf } from '../../../src/wal/names.ts'
import { inActivity } from '../../support/activity.ts'
import { addPoint, catalogOn, proofOf, signer, stranger } from '../../support/catalog.ts'
import { pagesSource } from '../../support/pages.ts'

const DAY = 86_400_000
const OLD = '20250101_120000_full'
const NEWEST = '20250103_120000_full'
const config = configSchema.parse({
  repositories: { hot: { type: 'folder', path: '/srv/hot' }, logs: { type: 'folder', path: '/srv/logs' } },
  encryption: { recipients: ['age1x'], check: false },
  signing: { keyId: 'k', publicKeys: { k: 'x' } },
  archives: {
    'pages-1': { repository: 'logs', keep: '30d' },
    'pages-2': { repository: 'logs', keep: '30d' },
    forever: { repository: 'logs' },
  },
  sources: {
    pages: pagesSource({ archive: 'pages-2', earlier: ['pages-1'] }),
    kept: pagesSource({ archive: 'forever' }),
    reader: pagesSource({ archive: 'pages-1' }),
  },
})
const point = (id: string, archive: string, index: number, more: object = {}, by = signer) =>
  addPoint(points, id, { source: 'pages', inventory: { wal: { archive }, snapshot: { index } }, ...more }, catalogOn(points, by))

let points: MemoryStore
let log: MemoryStore
/** When the store of the log believes it is. */
let now: Date
let preflight: () => Promise<{ findings: object[] }>
beforeEach(() => {
  points = createMemoryStore()
  log = createMemoryStore({ now: () => now })
  preflight = async () => ({ findings: [] })
})

/** Ten entries in each segment, one a day, the last of them today. */
async function ship(archive: string, segments: number): Promise<void> {
  for (let n = 0; n < segments; n += 1) {
    now = new Date(Date.now() - (segments - 1 - n) * DAY)
    const name = parseWalName(`${String(n * 10 + 1).padStart(6, '0')}-${String(n * 10 + 10).padStart(6, '0')}.wal`)
    for (const key of [`${placeOf(archive, name)}try.zst.age`, recordKeyOf(archive, name)])
      await log.put(key, Buffer.from(key), { ifAbsent: true })
  }
}
const services = {
  config,
  store: async (name: string) => (name === 'logs' ? log : points),
  catalog: async () => catalogOn(points),
  driver: async () => ({ preflight: () => preflight() }),
  repositoryDriver: async (name: string) => createDriver(config.sources[name] as never, { source: name }),
} as unknown as Services
const activities = createRetentionActivities(services)
const request = (archive: string) => ({ source: 'pages', archive, keep: '30d' })
const plan = (archive = 'pages-2', leaving: string[] = []): Promise<LogPlan> =>
  inActivity(() => activities.planLog({ ...request(archive), leaving }))
const removeThrough = (last: string, archive = 'pages-2') => inActivity(() => activities.removeLog({ ...request(archive), last }))
const entries = async (archive = 'pages-2') => (await heldIn({ archive, store: log })).held.map(({ name }) => Number(name.slice(0, 6)))

describe('the log of a source', () => {
  it('is looked after where its archive has a rule: the present one, and those of before', async () => {
    const planned = async (name: string) => (await activities.planRetention({ source: name })).keepLogs
    expect(await planned('pages')).toEqual(['pages-2', 'pages-1'].map((archive) => ({ archive, keep: '30d' })))
    expect(await planned('kept')).toBeUndefined()
  })

  it('loses what is older than its rule, once no point is replayed with it; a plan takes nothing away', async () => {
    await ship('pages-2', 40)
    await point(NEWEST, 'pages-2', 385)
    const planned = await plan()
    // The thirtieth day before is not older yet, and the store is asked a moment after it was written.
    expect(planned).toMatchObject({ archive: 'pages-2', keep: '30d', segments: 10, first: '000001-000010.wal', last: '000091-000100.wal' })
    expect(planned.bytes).toBeGreaterThan(0)
    expect(planned.left ?? planned.needed).toBeUndefined()
    expect(await entries()).toHaveLength(40)
    expect(await removeThrough(String(planned.last))).toEqual({})
    expect((await entries())[0]).toBe(101)
    expect(await entries()).toHaveLength(30)
    // Once more, as after a reply that was lost.
    expect(await removeThrough(String(planned.last))).toEqual({})
    expect(await plan()).toMatchObject({ segments: 0 })
    expect(await entries()).toHaveLength(30)
  })

  it('keeps all from the entry of its oldest point on, and says for which', async () => {
    await ship('pages-2', 40)
    await point(OLD, 'pages-2', 35)
    await point(NEWEST, 'pages-2', 385)
    expect(await plan()).toMatchObject({ segments: 3, last: '000021-000030.wal', needed: { segments: 7, by: OLD } })
    // As a dry run sees it, whose points would have gone.
    expect(await plan('pages-2', [OLD])).toMatchObject({ segments: 10 })
    await expect(removeThrough('000091-000100.wal')).rejects.toMatchObject({ code: 'POINT_PROTECTED' })
    expect(await entries()).toHaveLength(40)
  })

  it('loses only what was planned, however much more may go by now', async () => {
    await ship('pages-2', 40)
    await point(NEWEST, 'pages-2', 385)
    await removeThrough('000021-000030.wal')
    expect((await entries())[0]).toBe(31)
  })

  it('stays whole while no point goes with it; one of before a restore goes by its age then', async () => {
    for (const archive of ['pages-1', 'pages-2']) await ship(archive, 40)
    expect(await plan('pages-2')).toMatchObject({ segments: 0, left: 'no recovery point goes with it yet' })
    expect(await plan('pages-1')).toMatchObject({ segments: 10 })
    await point(OLD, 'pages-1', 15)
    expect(await plan('pages-1')).toMatchObject({ segments: 1, needed: { by: OLD } })
  })

  it('keeps what a point of another source is replayed with', async () => {
    await ship('pages-1', 40)
    await point(OLD, 'pages-1', 25, { source: 'reader' })
    expect(await plan('pages-1')).toMatchObject({ segments: 2, needed: { by: OLD } })
  })

  it('keeps what a point needs whose source is called otherwise now, or names the archive no more', async () => {
    await ship('pages-1', 40)
    await point('20250102_120000_full', 'pages-1', 65, { source: 'kept', driver: 'raft-cluster' })
    expect(await plan('pages-1')).toMatchObject({ segments: 6, needed: { segments: 4, by: '20250102_120000_full' } })
    await point(OLD, 'pages-1', 25, { source: 'pages-of-old', driver: 'raft-cluster' })
    expect(await plan('pages-1')).toMatchObject({ segments: 2, needed: { segments: 8, by: OLD } })
    await expect(removeThrough('000051-000060.wal', 'pages-1')).rejects.toMatchObject({ code: 'POINT_PROTECTED' })
    // Nobody proves it again: that does not keep the rest for ever.
    const catalog = catalogOn(points)
    const { manifest, digest } = await catalog.readManifest('pages-of-old', OLD)
    await catalog.appendProof(proofOf(manifest, digest, { ok: false }))
    expect(await plan('pages-1')).toMatchObject({ segments: 2 })
    await catalog.deletePoint('pages-of-old', OLD)
    expect(await plan('pages-1')).toMatchObject({ segments: 6 })
  })

  it('stays while a point of such a source cannot be trusted; one of another engine is no matter', async () => {
    await ship('pages-1', 40)
    await point(OLD, 'pages-1', 25, { source: 'pages-of-old', driver: 'postgres-logical' })
    expect(await plan('pages-1')).toMatchObject({ segments: 10 })
    await point(OLD, 'pages-1', 25, { source: 'shop' }, stranger)
    expect(await plan('pages-1')).toMatchObject({
      segments: 0,
      unhealthy: true,
      left: expect.stringContaining(`shop/${OLD}/manifest.json`),
    })
  })

  it('stays while a failed proof stands, or nobody can say how the source is', async () => {
    await ship('pages-2', 40)
    await point(NEWEST, 'pages-2', 385)
    preflight = async () => {
      throw new Error('connection refused')
    }
    expect(await plan()).toMatchObject({ segments: 0, unhealthy: true, left: expect.stringContaining('connection refused') })
    preflight = async () => ({ findings: [] })
    const catalog = catalogOn(points)
    const { manifest, digest } = await catalog.readManifest('pages', NEWEST)
    await catalog.appendProof(proofOf(manifest, digest, { ok: false }))
    expect(await plan()).toEqual({
      ...request('pages-2'),
      source: undefined,
      segments: 0,
      bytes: 0,
      unhealthy: true,
      left: `the failed proof of ${NEWEST} stands`,
    })
  })

  it('stays while a point stands there that cannot be trusted: it may be what needs it', async () => {
    await ship('pages-2', 40)
    await point(NEWEST, 'pages-2', 385)
    const planted = await point(OLD, 'pages-2', 35, {}, stranger)
    expect(await plan()).toMatchObject({ segments: 0, unhealthy: true, left: expect.stringContaining(`${OLD}/manifest.json`) })
    await points.delete(manifestKey('pages', planted.id))
    expect(await plan()).toMatchObject({ segments: 10 })
  })

  it('ends at what is locked, and says where', async () => {
    await ship('pages-2', 40)
    await point(NEWEST, 'pages-2', 385)
    log.locked.add(recordKeyOf('pages-2', parseWalName('000021-000030.wal')))
    expect(await removeThrough('000091-000100.wal')).toEqual({ locked: '000021-000030.wal' })
    expect((await entries())[0]).toBe(21)
  })

  it('is not touched where the store refuses: the run ends with that', async () => {
    await ship('pages-2', 40)
    await point(NEWEST, 'pages-2', 385)
    const denied = { ...log, delete: async () => Promise.reject(new Error('access denied')) }
    const refusing = createRetentionActivities({ ...services, store: async () => denied } as unknown as Services)
    const { last } = await plan()
    await expect(inActivity(() => refusing.removeLog({ ...request('pages-2'), last: String(last) }))).rejects.toThrow('access denied')
    expect(await entries()).toHaveLength(40)
  })
})
