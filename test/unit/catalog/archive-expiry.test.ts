/** What WAL may go is asked with all that shares the archive in sight, and not while anything is wrong. */
import { beforeEach, describe, expect, it } from 'vitest'
import { createRetentionActivities } from '../../../activities/retention.ts'
import type { Services } from '../../../activities/services.ts'
import { logicalSource, physicalSource } from '../../../src/config/schema.ts'
import type { ArchiveExpiry, ArchiveKeeping, Finding } from '../../../src/drivers/driver.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/storage/memory.ts'
import { inActivity } from '../../support/activity.ts'
import { addPoint, catalogOn, proofOf, stranger } from '../../support/catalog.ts'

const OLD = '20250101_120000_full'
const NEWEST = '20250103_120000_full'
const physical = (stanza: string, pitrWindow: string) =>
  physicalSource.parse({
    driver: 'postgres-physical',
    connection: '${env:UNUSED}',
    repository: 'hot',
    host: 'db1',
    stanza,
    pgbackrestConfig: '/etc/pgbackrest.conf',
    pitrWindow,
  })
const sources = {
  orders: physical('shared', '7d'),
  reports: physical('shared', '30d'),
  other: physical('own', '90d'),
  dumps: logicalSource.parse({ driver: 'postgres-logical', connection: '${env:UNUSED}', repository: 'hot' }),
}
const GONE: ArchiveExpiry = { segments: 3, bytes: 48 }

let store: MemoryStore
let asked: ArchiveKeeping[]
let preflight: () => Promise<{ findings: (Finding & { required: boolean })[] }>
beforeEach(async () => {
  store = createMemoryStore()
  asked = []
  preflight = async () => ({ findings: [{ name: 'archive_timeout', required: false, ok: false, detail: 'archive_timeout is 0' }] })
  for (const source of Object.keys(sources)) for (const id of [OLD, NEWEST]) await addPoint(store, id, { source })
})

async function expire(options: { source?: string; leaving?: string[] } = {}): Promise<ArchiveExpiry> {
  const expireArchive = async (keeping: ArchiveKeeping) => {
    asked.push(keeping)
    return GONE
  }
  const services = {
    config: { sources },
    catalog: async () => catalogOn(store),
    driver: async () => ({ preflight: () => preflight() }),
    repositoryDriver: async (name: string) => (name === 'dumps' ? {} : { expireArchive }),
  } as unknown as Services
  const request = { source: 'orders', leaving: [], dryRun: true, ...options }
  return inActivity(() => createRetentionActivities(services).expireArchive(request))
}
async function prove(source: string, id: string, ok: boolean): Promise<void> {
  const catalog = catalogOn(store)
  const { manifest, digest } = await catalog.readManifest(source, id)
  await catalog.appendProof(proofOf(manifest, digest, { depth: 'full', ok, completedAt: `2026-01-02T03:0${ok ? 5 : 1}:00.000Z` }))
}
const idsOf = (points: ArchiveKeeping['points'] = []) => points.map(({ manifest: { source, id } }) => `${source} ${id}`)

describe('WAL that may go', () => {
  it('is asked of the archive with the points of every source that shares it, and the longest window', async () => {
    expect(await expire()).toEqual(GONE)
    expect(asked).toMatchObject([{ window: '30d', dryRun: true, leaving: [] }])
    expect(idsOf(asked[0]?.points).sort()).toEqual(['orders', 'reports'].flatMap((source) => [`${source} ${OLD}`, `${source} ${NEWEST}`]))
  })

  it('is asked without the points that a dry run would have deleted: of this source, and no other', async () => {
    await expire({ leaving: [OLD] })
    expect(idsOf(asked[0]?.points).sort()).toEqual([`orders ${NEWEST}`, `reports ${OLD}`, `reports ${NEWEST}`])
    expect(asked[0]?.leaving?.map(({ source, id }) => `${source} ${id}`)).toEqual([`orders ${OLD}`])
  })

  it('is none where the source has no archive', async () => {
    expect(await expire({ source: 'dumps' })).toEqual({ segments: 0, bytes: 0 })
  })

  it('is none while a proof that failed stands, of any source that shares the archive', async () => {
    await prove('reports', OLD, false)
    expect(await expire()).toEqual({ segments: 0, bytes: 0, unhealthy: true, left: `the failed proof of ${OLD} stands` })
    await prove('reports', NEWEST, true)
    expect(await expire()).toEqual(GONE)
    expect(asked[0]?.points.filter(({ sound }) => !sound).map(({ manifest }) => manifest.id)).toEqual([OLD])
  })

  it('is none while a point stands there that cannot be trusted: it may be what needs it', async () => {
    await addPoint(store, '20250104_120000_full', { source: 'reports' }, catalogOn(store, stranger))
    expect(await expire()).toMatchObject({ segments: 0, unhealthy: true, left: expect.stringContaining('reports/20250104_120000_full') })
    expect(asked).toEqual([])
  })

  it('is none while WAL does not reach the archive, or nobody can say whether it does', async () => {
    preflight = async () => ({ findings: [{ name: 'archiver', required: true, ok: false, detail: 'archiving fails now' }] })
    expect(await expire()).toMatchObject({ segments: 0, unhealthy: true, left: 'archiving fails now' })
    preflight = async () => {
      throw new Error('connection refused')
    }
    expect(await expire()).toMatchObject({ unhealthy: true, left: expect.stringContaining('connection refused') })
    expect(asked).toEqual([])
  })
})
