/** What a migration does on its host: the configured commands, and the end of what still runs of them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMigrateActivities } from '../../activities/migrate.ts'
import type { Services } from '../../activities/services.ts'
import { markOf, stopMarked } from '../../src/process/marked.ts'
import { inActivity } from '../support/activity.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-migrate-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const sh = (script: string) => ['sh', '-c', script, dir, '{schemaVersion}']
const activities = (live: object | undefined = { fingerprint: async () => 'it' }) =>
  createMigrateActivities({
    config: {
      sources: {
        orders: {
          migrations: {
            good: { run: sh('echo "to $1" | tee "$0/ran"'), check: sh('test "$1" = 3') },
            bad: { run: sh('echo no such column >&2; exit 4') },
          },
        },
      },
    },
    driver: async () => ({ kind: 'demo', live }),
  } as unknown as Services)
const migration = (run: string, schemaVersion: string | number = 3) => ({ source: 'orders', run, schemaVersion })

describe('a migration', () => {
  it('that is not configured is refused with those that are', async () => {
    await expect(activities().planMigration(migration('goood'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      object: 'goood',
      next: 'name one of good, bad',
    })
  })

  it('of a source whose points go over no live one is refused: there is no way back', async () => {
    const none = createMigrateActivities({
      config: { sources: { orders: { migrations: { good: { run: ['true'] } } } } },
      driver: async () => ({ kind: 'demo' }),
    } as unknown as Services)
    await expect(none.planMigration(migration('good'))).rejects.toMatchObject({ code: 'INPUT_INVALID', object: 'orders' })
  })

  it('of the database of the very Temporal that runs it is refused: its way back would roll that back', async () => {
    const own = createMigrateActivities({
      config: { sources: { orders: { temporalPersistence: true, migrations: { good: { run: ['true'] } } } } },
      driver: async () => ({ kind: 'demo', live: { fingerprint: async () => 'it' } }),
    } as unknown as Services)
    await expect(own.planMigration(migration('good'))).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      message: expect.stringContaining('temporalPersistence'),
    })
  })

  it('gets the version that was asked for, and its check too', async () => {
    expect(await activities().planMigration(migration('good'))).toEqual({ checked: true })
    expect(await inActivity(() => activities().runMigration(migration('good')))).toEqual({ said: 'to 3' })
    expect(await readFile(join(dir, 'ran'), 'utf8')).toBe('to 3\n')
    await inActivity(() => activities().checkMigration(migration('good')))
    await expect(inActivity(() => activities().checkMigration(migration('good', 4)))).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
  })

  it('that fails says what its program said', async () => {
    await expect(inActivity(() => activities().runMigration(migration('bad')))).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
      message: expect.stringContaining('no such column'),
    })
  })

  it('whose worker is gone is ended with all that it started, and nobody else is', async () => {
    const started = (mark: string) =>
      spawn('sh', ['-c', 'trap "" TERM; sleep 60 & wait; sleep 60'], { env: { ...process.env, ...markOf(mark) } })
    const own = started('workflow/run')
    const other = started('workflow/another-run')
    const ended = new Promise((done) => own.once('exit', (_, signal) => done(signal)))
    await inActivity(() => activities().endMigration())
    expect(await ended).toBe('SIGKILL')
    expect(other.exitCode ?? other.signalCode).toBeNull()
    // With what it started, which would outlive it.
    await stopMarked('workflow/another-run', 0)
  }, 30_000)
})
