/** A backup that fails after the engine is done leaves nothing there, and no point goes whose backup the engine still needs. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RetentionReport } from '../../activities/retention.ts'
import type { BackupResult } from '../../workflows/backup.ts'
import { createPgbackrest } from '../../src/drivers/postgres-physical/pgbackrest.ts'
import { OS_USER } from '../../scripts/toolbox/postgres.ts'
import { ALL_ROLES, createPairSource, type PairSource } from '../support/pair-source.ts'
import { endOf } from '../support/workflows/source.ts'

let source: PairSource
beforeAll(async () => {
  source = await createPairSource()
})
afterAll(async () => source?.destroy())

const engine = () => createPgbackrest({ configFile: source.configFile, stanza: 'shop', osUser: OS_USER })
const labels = async () => (await engine().info()).backups.map(({ label }) => label)
const points = async () => (await source.services.catalog('hot')).listPoints('shop')
const backup = (kind: string, description?: string) => source.run<BackupResult>('backup', { source: 'shop', kind, description })

test('one that is implausible is no point, and the engine keeps nothing of it', async () => {
  await source.served(ALL_ROLES, async () => {
    await source.pair.primary.query(`create table large as select n, repeat(md5(n::text), 30) from generate_series(1, 400000) n`)
    await backup('full')
    const before = await labels()
    await source.pair.primary.query('drop table large; checkpoint')
    expect(await endOf(backup('full'))).toMatchObject({ code: 'BACKUP_IMPLAUSIBLE' })
    expect(await labels()).toEqual(before)
    expect((await points()).map(({ label }) => label)).toEqual(before)
  })
})

test('a point stays whole while a backup that is of no point needs it, and the run says which', async () => {
  await source.served(ALL_ROLES, async () => {
    const { id } = await backup('full', 'smaller by the large table')
    const point = (await points()).find((one) => one.id === id)
    const stranger = await engine().backup('incremental', {
      pointId: 'stranger',
      signal: new AbortController().signal,
      onProgress: () => {},
    })
    const report = await source.run<RetentionReport>('deleteRecoveryPoint', {
      source: 'shop',
      recoveryPoint: id,
      confirm: id,
      requestedBy: 'ana',
    })
    expect(report).toMatchObject({ needed: [{ id, by: [stranger.label] }], locked: [], held: [] })
    expect((await points()).map((one) => one.id)).toContain(id)
    expect(await labels()).toContain(point?.label)
  })
})

test('the next incremental does not build on what is of no point', async () => {
  await source.served(ALL_ROLES, async () => {
    const taken = await backup('incremental')
    expect(taken.warnings.join()).toMatch(/full was taken/)
    expect((await points()).find(({ id }) => id === taken.id)).toMatchObject({ parents: [] })
    expect((await engine().info()).backups.at(-1)).toMatchObject({ type: 'full', pointId: taken.id })
  })
})
