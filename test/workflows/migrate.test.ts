import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes.ts'
import { pairFakes } from '../support/workflows/pair.ts'
import { createGate, endOf, FINGERPRINT, POINT, refused, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())

let count = 0
const start = (type: string, input: object): Promise<WorkflowHandle> =>
  stage.client.workflow.start(type, { taskQueue: 'holdfast', workflowId: `${type}-${++count}`, args: [{ source: 'orders', ...input }] })
const migrate = (input: object = {}) => start('migrate', { schemaVersion: 3, run: 'default', requestedBy: 'ana', ...input })
const outcomeOf = async (run: WorkflowHandle) => (await run.describe()).typedSearchAttributes.get(SEARCH_ATTRIBUTES.outcome)
const order = (...names: string[]) => stage.ran.filter((name) => names.includes(name))
const fail = async () => {
  throw refused('PROCESS_FAILED', 'migrate.sh exited with 1: no such column. Next: read the program output in the error')
}
const WAY_BACK = ['endMigration', 'liveFingerprint', 'restoreAside', 'swapIn']

describe('a migration', () => {
  test('takes a recovery point of its own kind first, then runs, then is checked', async () => {
    const published: unknown[] = []
    const asked: unknown[] = []
    const fakes = sourceFakes({
      publish: async (input) => published.push(input),
      runMigration: async (input) => {
        asked.push(input)
        return { said: 'three tables changed' }
      },
    })
    await stage.play(fakes, async () => {
      const run = await migrate({ from: 2 })
      expect(await run.result()).toMatchObject({
        outcome: 'success',
        source: 'orders',
        schemaVersion: 3,
        run: 'default',
        recoveryPoint: POINT,
        said: 'three tables changed',
      })
      expect(published).toMatchObject([{ kind: 'pre_migration', description: 'Pre-migration to v3', schemaVersion: 2 }])
      expect(asked).toEqual([{ source: 'orders', run: 'default', schemaVersion: 3 }])
      expect(order('planMigration', 'publish', 'runMigration', 'checkMigration', ...WAY_BACK)).toEqual([
        'planMigration',
        'publish',
        'runMigration',
        'checkMigration',
      ])
      expect(await outcomeOf(run)).toBe('success')
    })
  })

  test.each([
    ['runMigration', { runMigration: fail }],
    ['checkMigration', { checkMigration: fail }],
  ])('whose %s fails is ended and the source restored from its point, with the fingerprint of this moment', async (_, fakes) => {
    const swapped: { confirm: string; id: string }[] = []
    const swapIn = async (input: { confirm: string; id: string }) => {
      swapped.push(input)
      return { database: 'shop' }
    }
    await stage.play(sourceFakes({ ...fakes, swapIn }), async () => {
      const run = await migrate()
      const end = await endOf(run.result())
      expect(end).toMatchObject({ code: 'MIGRATION_FAILED', object: 'default' })
      expect(end.message).toContain(`no such column; orders is restored from ${POINT}`)
      expect(swapped).toMatchObject([{ confirm: FINGERPRINT, id: POINT }])
      expect(order(...WAY_BACK)).toEqual(WAY_BACK)
      expect(await outcomeOf(run)).toBe('failed')
    })
  })

  test('that cannot be undone says so, and how it is done by hand', async () => {
    await stage.play(sourceFakes({ runMigration: fail, restoreAside: fail }), async () => {
      const end = await endOf((await migrate()).result())
      expect(end.code).toBe('MIGRATION_FAILED')
      expect(end.message).toContain('could NOT be restored')
      expect(end.next).toBe(`holdfast restore orders ${POINT} --live --no-safety-backup`)
    })
  })

  test('is run once: a worker that died in the middle of it is no reason to run it again', async () => {
    let runs = 0
    const runMigration = async () => {
      runs += 1
      throw new Error('the worker died')
    }
    await stage.play(sourceFakes({ runMigration }), async () => {
      expect((await endOf((await migrate()).result())).code).toBe('MIGRATION_FAILED')
      expect(runs).toBe(1)
    })
  })

  test.each([
    ['has no way back', { planMigration: fail }, 'PROCESS_FAILED'],
    ['has no recovery point', { dump: fail }, 'PROCESS_FAILED'],
  ])('that %s is not run', async (_, fakes, code) => {
    await stage.play(sourceFakes(fakes), async () => {
      expect((await endOf((await migrate()).result())).code).toBe(code)
      expect(order('runMigration', ...WAY_BACK)).toEqual([])
    })
  })

  test('whose recovery point fails its proof is not run', async () => {
    const fakes = sourceFakes({
      resolveSource: async () => ({ driver: 'rocksdb', autoVerify: true }),
      proveRestore: async ({ source, id, depth }) => ({ ok: false, source, id, depth, failures: ['files'], passed: 0, assertions: 1 }),
    })
    await stage.play(fakes, async () => {
      expect(await endOf((await migrate()).result())).toMatchObject({ code: 'VERIFY_FAILED', object: POINT })
      expect(order('runMigration', ...WAY_BACK)).toEqual([])
    })
  })

  test('that is cancelled is undone, and ends as aborted', async () => {
    const gate = createGate()
    await stage.play(sourceFakes({ runMigration: gate.wait(async () => ({ said: '' })) }), async () => {
      const run = await migrate()
      await gate.reached()
      await run.cancel()
      expect((await endOf(run.result())).code).toBe('CancelledFailure')
      expect(order(...WAY_BACK)).toEqual(WAY_BACK)
      expect(gate.cancelled).toBe(1)
      expect(await outcomeOf(run)).toBe('aborted')
    })
  })

  test('that a failover pre-empts is stopped and left as it is, and it is said how it is undone', async () => {
    const gate = createGate()
    const approvals = { approvals: { count: 0, withinMs: 1 } }
    await stage.play({ ...sourceFakes({ runMigration: gate.wait(async () => ({ said: '' })) }), ...pairFakes(approvals) }, async () => {
      const run = await migrate({ source: 'shop' })
      await gate.reached()
      const failover = { group: 'shop', mode: 'unplanned', reason: 'east is down', requestedBy: 'ana' }
      await (await start('failover', { ...failover, source: undefined })).result()
      const end = await endOf(run.result())
      expect(end).toMatchObject({ code: 'PREEMPTED', next: expect.stringContaining(`holdfast restore shop ${POINT} --live`) })
      expect(end.message).toContain('half done')
      expect(gate.cancelled).toBe(1)
      expect(order(...WAY_BACK)).toEqual([])
    })
  })

  test('keeps backups away, which are told who holds the source', async () => {
    const gate = createGate()
    await stage.play(sourceFakes({ runMigration: gate.wait(async () => ({ said: '' })) }), async () => {
      const run = await migrate()
      await gate.reached()
      const end = await endOf((await start('backup', {})).result())
      expect(end.code).toBe('BUSY')
      expect(end.message).toContain('migration default of orders to 3')
      gate.open()
      await run.result()
    })
  })
})

describe('a source with autoVerify', () => {
  const autoVerify = { resolveSource: async () => ({ driver: 'rocksdb', autoVerify: true }) }

  test('has every backup proved to the full, unless another depth was asked for', async () => {
    await stage.play(sourceFakes(autoVerify), async () => {
      expect(await (await start('backup', {})).result()).toMatchObject({ proof: { ok: true, depth: 'full' } })
      expect(await (await start('backup', { prove: 'read' })).result()).toMatchObject({ proof: { ok: true, depth: 'read' } })
    })
  })

  test('does not keep a restore waiting for the proof of what it replaces', async () => {
    await stage.play(sourceFakes(autoVerify), async () => {
      expect(await (await start('backup', { kind: 'pre_restore' })).result()).not.toHaveProperty('proof')
    })
  })
})

test('what is lacking after a swap degrades the restore', async () => {
  const swapIn = async () => ({ database: 'shop', warnings: ['its program could not be started'] })
  await stage.play(sourceFakes({ swapIn }), async () => {
    const run = await start('restore', { recoveryPoint: 'latest', requestedBy: 'ana', target: 'live', confirm: FINGERPRINT })
    expect(await run.result()).toMatchObject({ outcome: 'degraded', warnings: ['its program could not be started'] })
  })
})
