/** What a run of adoption is told of the backups that were found, and what it may not store. */
import { describe, expect, it } from 'vitest'
import { createAdoptActivities } from '../../activities/adopt.ts'
import type { Services } from '../../activities/services.ts'
import type { FoundBackup, FoundBackups, SourceDriver } from '../../src/drivers/driver.ts'
import { createMemoryStore } from '../../src/storage/memory.ts'
import { inActivity } from '../support/activity.ts'
import { addPoint, catalogOn } from '../support/catalog.ts'

const backup = (number: number): FoundBackup => ({
  origin: `digest ${number}`,
  from: `/var/backups/${number}.dump`,
  kind: 'adopted',
  createdAt: new Date(Date.UTC(2025, 0, 1) + number * 1000).toISOString(),
  completedAt: new Date(Date.UTC(2025, 0, 1) + number * 1000).toISOString(),
  description: 'adopted',
  tags: ['adopted'],
  sizeBytes: 2 * 1024 ** 2,
  warnings: [],
})
const many = (count: number) => Array.from({ length: count }, (_, number) => backup(number))

function activities(
  found: Partial<FoundBackups> | undefined,
  {
    cap,
    stanza,
    known,
  }: { cap?: number; stanza?: string; known?: (origins: ReadonlySet<string>, own: ReadonlySet<string> | undefined) => unknown } = {},
) {
  const store = createMemoryStore()
  const driver: Partial<SourceDriver> = {
    kind: found ? 'postgres-logical' : 'redis',
    ...(found && {
      adoption: {
        async find(_context, _from, origins, own) {
          known?.(origins, own)
          return { backups: [], already: 0, left: [], ...found }
        },
        take: async () => {
          throw new Error('nothing is stored in this test')
        },
      },
    }),
  }
  const services = {
    config: {
      sources: {
        orders: { driver: driver.kind, repository: 'hot', ...(stanza !== undefined && { stanza }) },
        users: { driver: driver.kind, repository: 'hot', ...(stanza !== undefined && { stanza }) },
      },
      repositories: { hot: cap === undefined ? {} : { limit: { cap: `${cap}MB` } } },
      encryption: { recipients: [] },
    },
    store: async () => store,
    catalog: async () => catalogOn(store),
    repositoryDriver: async () => driver,
    limits: () => ({}),
  } as unknown as Services
  return { store, ...createAdoptActivities(services) }
}
const input = { source: 'orders', from: ['/var/backups'] }

describe('findBackups', () => {
  it('gives one run no more than 200, the oldest, and says how many are left', async () => {
    const { findBackups } = activities({ backups: many(230) })
    const found = await inActivity(() => findBackups(input))
    expect(found.backups.map(({ origin }) => origin)).toEqual(many(200).map(({ origin }) => origin))
    expect(found.more).toBe(30)
  })

  it('names what is broken before what never was a backup, counts all, and has an end', async () => {
    const left = Array.from({ length: 80 }, (_, n) => ({ from: `${n}`, why: 'it is none', broken: n >= 78 }))
    const { findBackups } = activities({ left })
    const found = await inActivity(() => findBackups(input))
    expect(found).toMatchObject({ leftCount: 80, brokenCount: 2 })
    expect(found.left.map(({ from }) => from)).toEqual(['78', '79', ...Array.from({ length: 48 }, (_, n) => `${n}`)])
  })

  it('tells the driver what is a point already', async () => {
    const told: string[] = []
    const { findBackups, store } = activities({}, { known: (origins) => told.push(...origins) })
    await addPoint(store, '20250101_000000_adopted', { tags: ['adopted'], adopted: { from: '/var/backups/1.dump', origin: 'digest 1' } })
    await addPoint(store, '20250102_000000_manual')
    await inActivity(() => findBackups(input))
    expect(told).toEqual(['digest 1'])
  })

  it('tells the driver which labels are of points of this very source, and which of another one with the same stanza', async () => {
    const told: string[][] = []
    const { findBackups, store } = activities({}, { stanza: 'main', known: (...sets) => told.push(...sets.map((set) => [...(set ?? [])])) })
    const rest = { engine: 'pgbackrest' as const, stanza: 'main', repoPath: '/', walStart: '', walStop: '' }
    const reference = (label: string) => ({
      reference: { ...rest, label, needs: [], type: 'full' as const, manifestDigest: '0'.repeat(64) },
    })
    await addPoint(store, '20250101_000000_full', reference('ours'))
    await addPoint(store, '20250102_000000_full', { source: 'users', ...reference('theirs') })
    await inActivity(() => findBackups(input))
    expect(told).toEqual([['ours', 'theirs'], ['ours']])
  })

  it('is refused for a driver that takes over nothing', async () => {
    const { findBackups } = activities(undefined)
    await expect(inActivity(() => findBackups(input))).rejects.toMatchObject({ code: 'INPUT_INVALID', object: 'orders' })
  })
})

describe('adoptBackup', () => {
  it('stores nothing beyond the cap of the repository', async () => {
    const { adoptBackup } = activities({}, { cap: 1 })
    const full = inActivity(() => adoptBackup({ source: 'orders', id: '20250101_000000_adopted', backup: backup(1) }))
    await expect(full).rejects.toMatchObject({ code: 'REPOSITORY_FULL' })
  })
})
