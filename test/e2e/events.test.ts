/** An event store through the real workflows: to an event beside and in place, one lens alone, and the question asked afterwards. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEvents } from '../../scripts/sources/events.ts'
import type { SampleSource } from '../../scripts/sources/sample.ts'
import type { RecoveryReport } from '../../activities/recover.ts'
import type { RestoreReport } from '../../activities/restore.ts'
import type { Ended } from '../../src/contract/messages.ts'
import type { BackupResult } from '../../workflows/backup.ts'
import { openSourceStack, type SourceStack } from '../support/source-stack.ts'
import { askSql } from '../support/events.ts'

let stack: SourceStack
let sample: SampleSource
let id: string
const connection = () => sample.env['EVENTS_DSN'] ?? ''
const count = async (what: string, from = connection()) => Number((await askSql(from, `select count(*) as n from ${what}`))[0]?.['n'])
const LIVE = { source: 'events', target: 'live', requestedBy: 'ana' }

beforeAll(async () => {
  stack = await openSourceStack({
    events: async (dir) => {
      const opened = await openEvents(dir)
      // Says whether the log has as many events as the file names.
      const baseline = {
        run: ['sh', '-c', 'psql -XAtc "select count(*) from event_core.event_log" "$DATABASE_URL" | cmp - expected'],
        in: dir,
      }
      await writeFile(join(dir, 'expected'), '400\n')
      return { ...opened, config: { ...opened.config, baseline } }
    },
  })
  sample = stack.samples['events'] as SampleSource
  id = (await stack.run<BackupResult>('backup', { source: 'events', prove: 'full' })).id
  await sample.change()
}, 300_000)
afterAll(() => stack?.close())

describe('an event store', { timeout: 300_000 }, () => {
  it('is recovered to an event beside the live one, which goes on', async () => {
    const copy = await stack.run<RecoveryReport & Ended>('pointInTimeRecovery', {
      source: 'events',
      target: { sequence: 250 },
      tables: ['event_core.event_log'],
    })
    expect(copy).toMatchObject({
      base: id,
      stoppedAt: { sequence: '250' },
      tables: [{ name: 'event_core.event_log', rows: 250 }],
      notes: expect.arrayContaining([expect.stringContaining('lens_rel had seen events up to 400')]),
    })
    expect(await count('event_core.outbox', copy.connection)).toBe(250)
    expect(await count('event_core.event_log')).toBe(420)
    await stack.run('discardInstance', { source: 'events', instance: copy.instance })
  })

  it('gets one lens back, and keeps its log', async () => {
    await askSql(connection(), 'delete from lens_sem.embedding')
    const lens = { ...LIVE, recoveryPoint: id, parts: ['lens_sem'], mode: 'empty', safetyBackup: false }
    const confirm = await fingerprint()
    const restored = await stack.run<RestoreReport>('restore', { ...lens, confirm })
    expect(restored.notes).toEqual(['lens_sem is as it was in the point; sem goes on from 400'])
    expect([await count('lens_sem.embedding'), await count('event_core.event_log')]).toEqual([400, 420])
    // The log has moved on, and the question is about another number: that is told, and the lens stays.
    expect(restored.warnings).toEqual([expect.stringContaining('baseline failed')])
  })

  it('is brought to an event in place, behind a safety backup, and asked whether it is well', async () => {
    const store = { ...LIVE, recoveryPoint: id, toSequence: 400 }
    const restored = await stack.run<RestoreReport>('restore', { ...store, confirm: await fingerprint() })
    expect(restored.safetyBackup).toMatch(/_pre_restore$/)
    expect(restored.warnings).toBeUndefined()
    expect(await count('event_core.event_log')).toBe(400)
    expect(await sample.leftovers()).toEqual([])
  })
})

async function fingerprint(): Promise<string> {
  const [row] = await askSql(
    connection(),
    `select (select system_identifier from pg_control_system()) || '/' || datname || '/' || oid as it from pg_database where datname = current_database()`,
  )
  return String(row?.['it'])
}
