/** What activities refuse: the next step names what would be right, not something about something else. */
import { describe, expect, it } from 'vitest'
import { createBackupActivities } from '../../activities/backup.ts'
import { instanceDir } from '../../activities/instances.ts'
import { createRestoreActivities } from '../../activities/restore.ts'
import type { Services } from '../../activities/services.ts'
import { groupOf } from '../../activities/sites.ts'
import type { Config } from '../../src/config/schema.ts'
import type { HoldfastError } from '../../src/core/errors.ts'
import { inActivity } from '../support/activity.ts'

const config = (failoverGroups: object = {}) =>
  ({ sources: { orders: { driver: 'postgres-logical' }, shop: { driver: 'postgres-physical' } }, failoverGroups }) as unknown as Config
const services = {
  config: config(),
  driver: async (source: string) => ({ kind: source === 'orders' ? 'postgres-logical' : 'postgres-physical' }),
  store: async () => ({}),
  catalog: async () => ({ readManifest: async () => ({ manifest: {} }) }),
} as unknown as Services

async function refusalOf(act: () => unknown): Promise<HoldfastError> {
  try {
    await act()
  } catch (error) {
    return error as HoldfastError
  }
  throw new Error('it was not refused')
}

describe('a refusal', () => {
  it('of an instance shows what the name of one looks like', async () => {
    const { code, next } = await refusalOf(() => instanceDir(services, 'orders', '../../etc'))
    expect([code, next]).toEqual(['INPUT_INVALID', expect.stringContaining('pitr-2026')])
  })

  it('of a WAL switch names the sources that have an archive', async () => {
    const { code, next } = await refusalOf(() => createBackupActivities(services).switchWal({ source: 'orders' }))
    expect([code, next]).toEqual(['INPUT_INVALID', 'name a postgres-physical source; there is shop'])
  })

  it('of a physical point over a live database does not send to a failover', async () => {
    const check = () => inActivity(() => createRestoreActivities(services).checkRestore({ source: 'shop', id: 'x', target: 'live' }))
    const { code, next } = await refusalOf(check)
    expect(code).toBe('INPUT_INVALID')
    expect(next).toContain('beside')
    expect(next).not.toContain('fail over')
  })

  it('of a restore over the database of the Temporal that runs it says how it is recovered, and reads nothing of the point', async () => {
    const own = { ...config(), sources: { temporal: { driver: 'postgres-logical', temporalPersistence: true } } } as unknown as Config
    const touched: string[] = []
    const driver = async () => ({
      kind: 'postgres-logical',
      live: { check: async () => touched.push('check'), swap: async () => touched.push('swap') },
    })
    const { checkRestore } = createRestoreActivities({ ...services, config: own, driver } as unknown as Services)
    const over = await refusalOf(() => inActivity(() => checkRestore({ source: 'temporal', id: 'x', target: 'live', confirm: 'y' })))
    expect([over.code, over.next]).toEqual(['SOURCE_UNFIT', expect.stringContaining('--offline')])
    expect(await checkRestore({ source: 'temporal', id: 'x', target: 'beside' })).toEqual({ fingerprint: '' })
    expect(touched).toEqual([])
  })

  it('of a failover group names those that there are, or says that there is none', async () => {
    const known = await refusalOf(() => groupOf(config({ shop: {}, till: {} }), 'shpo'))
    expect([known.code, known.next]).toEqual(['NOT_FOUND', 'name one of shop, till'])
    const none = await refusalOf(() => groupOf(config(), 'shop'))
    expect([none.message, none.next]).toEqual([expect.stringContaining('failoverGroups is empty'), expect.stringContaining('docs/pair.md')])
  })
})
