/** Each archive setting is judged by itself, with what would be right. */
import { expect, test } from 'vitest'
import { type ArchiveHealth, explainArchive } from '../../../src/drivers/postgres-physical/archive-health.ts'

const command = 'pgbackrest --stanza=orders archive-push %p'
const healthy: ArchiveHealth = {
  walLevel: 'replica',
  archiveMode: 'on',
  archiveCommand: command,
  archiveTimeoutSeconds: 60,
  failing: false,
  lastArchivedWal: '000000010000000000000007',
  lastArchivedAt: '2026-01-01T00:00:00.000Z',
  ageSeconds: 5,
  pendingBytes: 100,
}
const found = (change: Partial<ArchiveHealth>, rpoSeconds?: number) =>
  explainArchive({ ...healthy, ...change }, { command, ...(rpoSeconds === undefined ? {} : { rpoSeconds }) }).filter(({ ok }) => !ok)

test('a healthy archive has no finding against it', () => {
  expect(found({})).toEqual([])
})

test('what keeps WAL from the archive refuses the backup, and says what to set', () => {
  const cases: [Partial<ArchiveHealth>, string, RegExp][] = [
    [{ walLevel: 'minimal' }, 'wal_level', /set wal_level = replica/],
    [{ archiveMode: 'off' }, 'archive_mode', /set archive_mode = on and restart/],
    [{ archiveCommand: '' }, 'archive_command', /set archive_command = 'pgbackrest --stanza=orders archive-push %p'/],
    [{ archiveCommand: '/bin/true' }, 'archive_command', /set archive_command = /],
    [{ archiveCommand: 'cp %p /somewhere/%f' }, 'archive_command', /set archive_command = /],
    [{ failing: true, lastFailedWal: 'x', lastFailedAt: 'y' }, 'archiver', /log of PostgreSQL/],
  ]
  for (const [change, name, next] of cases)
    expect(found(change)).toEqual([expect.objectContaining({ name, required: true, next: expect.stringMatching(next) })])
})

test('archive_timeout is held against the objective, and does not refuse', () => {
  expect(found({ archiveTimeoutSeconds: 0 })).toEqual([expect.objectContaining({ name: 'archive_timeout', required: false })])
  expect(found({ archiveTimeoutSeconds: 900 }, 900)).toEqual([])
  expect(found({ archiveTimeoutSeconds: 900 }, 300)).toEqual([
    expect.objectContaining({ name: 'archive_timeout', next: expect.stringMatching(/300 s of loss/) }),
  ])
})

test('a cluster that has archived nothing yet is told so, without a refusal', () => {
  const { lastArchivedWal, lastArchivedAt, ...fresh } = healthy
  expect([lastArchivedWal, lastArchivedAt]).toHaveLength(2)
  expect(explainArchive(fresh, { command }).find(({ name }) => name === 'archiver')).toMatchObject({ ok: false, required: false })
})
