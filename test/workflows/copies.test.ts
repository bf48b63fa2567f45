/** Recovery points in second repositories: copied, proved, kept and brought back there, by the real activities on folders. */
import { rename, rm } from 'node:fs/promises'
import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes.ts'
import { pointId } from '../../src/core/ids.ts'
import { type CopiedSource, copiedSource } from '../support/workflows/copied.ts'
import { createGate, endOf, POINT, refused, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
let source: CopiedSource | undefined
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())
afterEach(async () => {
  await source?.close()
  source = undefined
})

let count = 0
const start = (type: string, input: object = {}): Promise<WorkflowHandle> =>
  stage.client.workflow.start(type, { taskQueue: 'holdfast', workflowId: `${type}-${++count}`, args: [{ source: 'orders', ...input }] })
const run = async (type: string, input?: object) => (await start(type, input)).result()
const outcomeOf = async (handle: WorkflowHandle) => (await handle.describe()).typedSearchAttributes.get(SEARCH_ATTRIBUTES.outcome)

/** An id of so many days ago. */
const daysAgo = (days: number) => pointId(new Date(Date.now() - days * 86_400_000), 'scheduled')

async function open(...lines: string[]): Promise<CopiedSource> {
  source = await copiedSource(...lines)
  return source
}

describe('copies', () => {
  test('are brought where they are missing, proved there, and kept as long as it is said for there', async () => {
    const ids = [30, 20, 10, 1].map(daysAgo)
    const orders = await open('copies: [dr]', 'retention: { keepLast: 1, repositories: { dr: { keepLast: 2 } } }')
    for (const id of ids.slice(0, 3)) await orders.take(id)
    await stage.play(orders.fakes, async () => {
      const report = await run('copyPoints')
      expect(report).toMatchObject({ outcome: 'success', copies: [{ to: 'dr', proved: 2 }], warnings: [] })
      expect(report.copies[0].copied).toEqual([ids[2], ids[1]])
      const proofs = await (await orders.catalog('dr')).proofsOf('orders', ids[2] ?? '')
      expect(proofs).toMatchObject([{ depth: 'read', ok: true }])
      await orders.take(ids[3] ?? '')
      expect(await run('copyPoints', { to: 'dr' })).toMatchObject({ copies: [{ copied: [ids[3]], proved: 1 }] })
      expect(await orders.idsIn('dr')).toEqual(ids.slice(2))
      expect(await orders.idsIn('hot')).toEqual(ids)
      expect(await run('retention')).toMatchObject([
        {
          delete: ids
            .slice(0, 3)
            .reverse()
            .map((id) => ({ id })),
        },
      ])
      expect(await run('copyPoints')).toMatchObject({ outcome: 'success', copies: [{ copied: [], proved: 0 }] })
      expect(await orders.idsIn('dr')).toEqual(ids.slice(2))
    })
  })

  test('of a point that is damaged where it comes from are not made; the others are, and the next run tries again', async () => {
    const [bad, good] = [daysAgo(2), daysAgo(1)]
    const orders = await open('copies: [{ to: dr, verify: list }]')
    const key = (await orders.take(bad)).artifacts[0]?.key ?? ''
    await orders.take(good)
    await orders.damage('hot', key)
    await stage.play(orders.fakes, async () => {
      const handle = await start('copyPoints')
      const report = await handle.result()
      expect(report.copies).toMatchObject([{ copied: [good] }])
      expect(report.warnings).toEqual([expect.stringContaining(`dr: ${bad} was not copied: ${key} has BLAKE3`)])
      expect(await outcomeOf(handle)).toBe('degraded')
      expect(await orders.idsIn('dr')).toEqual([good])
      await orders.damage('hot', key)
      expect(await run('copyPoints')).toMatchObject({ outcome: 'success', copies: [{ copied: [bad] }] })
    })
  })

  test('that were damaged there are found by a proof there, and brought again', async () => {
    const orders = await open('copies: [dr]')
    const { id, artifacts } = await orders.take(daysAgo(1))
    await stage.play(orders.fakes, async () => {
      await run('copyPoints')
      await orders.damage('dr', artifacts[0]?.key ?? '')
      expect(await endOf(run('verifyRestore', { recoveryPoint: id, depth: 'read', repository: 'dr' }))).toMatchObject({
        code: 'VERIFY_FAILED',
      })
      expect(await (await orders.catalog('dr')).listPoints('orders')).toMatchObject([{ proof: { ok: false } }])
      expect(await run('copyPoints')).toMatchObject({ outcome: 'success', copies: [{ copied: [id], proved: 1 }] })
      expect(await (await orders.catalog('dr')).listPoints('orders')).toMatchObject([{ proof: { depth: 'read', ok: true } }])
    })
  })

  test('that nobody looked at there are looked at by the next run', async () => {
    const orders = await open('copies: [dr]')
    const { id } = await orders.take(daysAgo(1))
    await stage.play(orders.fakes, async () => {
      await run('copyPoints')
      await rm(orders.pathOf('dr', `holdfast/v1/orders/${id}/proofs`), { recursive: true })
      expect(await run('copyPoints')).toMatchObject({ copies: [{ copied: [], proved: 1 }] })
    })
  })

  test('know of a hold before retention there asks for it', async () => {
    const [old, young] = [daysAgo(9), daysAgo(1)]
    const orders = await open('copies: [dr]', 'retention: { repositories: { dr: { keepLast: 1 } } }')
    await orders.take(old)
    await stage.play(orders.fakes, async () => {
      await run('copyPoints')
      await run('holdRecoveryPoint', { recoveryPoint: old, actor: 'ana', reason: 'legal case' })
      await orders.take(young)
      expect(await run('copyPoints')).toMatchObject({ outcome: 'success' })
      expect(await orders.idsIn('dr')).toEqual([old, young])
    })
  })

  test('bring the sets that name them: one is found where the repositories of its sources are gone', async () => {
    const orders = await open('copies: [dr]')
    const { id } = await orders.take(daysAgo(1))
    const member = { source: 'orders', repository: 'hot', required: true, after: [], barrier: {}, id }
    const at = '2026-01-15T12:00:00Z'
    const record = { format: 'holdfast/v1', type: 'set', set: 'all', id: '20260115_120000_all', createdAt: at, completedAt: at } as const
    const rest = { complete: true, members: [member], checks: [], workflowId: 'w', runId: 'r' }
    await (await orders.catalog('hot')).publishSet({ ...record, ...rest })
    await stage.play(orders.fakes, () => run('copyPoints'))
    await rename(orders.pathOf('hot'), `${orders.pathOf('hot')}-gone`)
    expect(await orders.findSet()).toMatchObject({ id: record.id, members: [{ source: 'orders', id }] })
    await rename(orders.pathOf('dr'), `${orders.pathOf('dr')}-gone`)
    await expect(orders.findSet()).rejects.toMatchObject({ code: 'NOT_FOUND', object: orders.pathOf('hot').replace(/\/$/, '') })
  })

  test('that are all that is left of a point can be held and deleted where they are', async () => {
    const [old, young] = [daysAgo(9), daysAgo(1)]
    const orders = await open('copies: [dr]', 'retention: { keepLast: 1, repositories: { dr: { keepLast: 2 } } }')
    for (const id of [old, young]) await orders.take(id)
    await stage.play(orders.fakes, async () => {
      await run('copyPoints')
      await run('retention')
      const there = { recoveryPoint: old, repository: 'dr' }
      await run('holdRecoveryPoint', { ...there, actor: 'ana', reason: 'legal case' })
      expect(await endOf(run('deleteRecoveryPoint', { ...there, confirm: old }))).toMatchObject({ code: 'POINT_PROTECTED' })
      await run('holdRecoveryPoint', { ...there, held: false, actor: 'ana', reason: 'over' })
      expect(await run('deleteRecoveryPoint', { ...there, confirm: old })).toMatchObject({ outcome: 'success', repository: 'dr' })
      expect([await orders.idsIn('hot'), await orders.idsIn('dr')]).toEqual([[young], [young]])
    })
  })

  test('go to each repository by itself: one that is away keeps no other from its copies', async () => {
    const orders = await open('copies: [dr, offsite]')
    const { id } = await orders.take(daysAgo(1))
    await rm(orders.pathOf('dr'), { recursive: true })
    await stage.play(orders.fakes, async () => {
      const report = await run('copyPoints')
      expect(report).toMatchObject({ outcome: 'degraded', copies: [{ to: 'offsite', copied: [id] }] })
      expect(report.warnings).toEqual([expect.stringContaining('dr: ')])
      expect(await endOf(run('copyPoints', { to: 'dr' }))).toMatchObject({ code: 'NOT_FOUND' })
      expect(await endOf(run('copyPoints', { to: 'elsewhere' }))).toMatchObject({ code: 'INPUT_INVALID', object: 'elsewhere' })
    })
  })

  test('are made by one run at a time', async () => {
    const gate = createGate()
    const fakes = sourceFakes()
    await stage.play({ ...fakes, copyPoint: gate.wait(fakes['copyPoint'] as never) }, async () => {
      const first = await start('copyPoints')
      await gate.reached()
      expect(await endOf(run('copyPoints'))).toMatchObject({ code: 'BUSY', object: 'copies/orders/dr' })
      gate.open()
      expect(await first.result()).toMatchObject({ copies: [{ copied: [POINT] }] })
    })
  })
})

describe('a backup', () => {
  const copied = (copies: string[], own = {}) =>
    sourceFakes({ resolveSource: async () => ({ driver: 'postgres-logical', ...(copies.length > 0 && { copies }) }), ...own })

  test('is copied right after it, where the copies have no schedule of their own', async () => {
    await stage.play(copied(['dr']), async () => {
      expect(await run('backup')).toMatchObject({ outcome: 'success', id: POINT, copies: ['dr'], warnings: [] })
      expect(stage.ran.filter((name) => ['publish', 'copyPoint', 'planRetention'].includes(name))).toEqual([
        'publish',
        'copyPoint',
        'planRetention',
        'planRetention',
      ])
    })
  })

  test('stays a point where its copy fails, and says so', async () => {
    const copyPoint = async () => {
      throw refused('SPACE_SHORT', 'the disk is full')
    }
    await stage.play(copied(['dr'], { copyPoint }), async () => {
      const result = await run('backup')
      expect(result).toMatchObject({ outcome: 'degraded', warnings: [`copy to dr: ${POINT} was not copied: the disk is full`] })
      expect(result).not.toHaveProperty('copies')
    })
  })

  test('before a restore or a migration waits for no copies', async () => {
    await stage.play(copied(['dr']), async () => {
      for (const kind of ['pre_restore', 'pre_migration']) await run('backup', { kind })
      expect(stage.ran).not.toContain('copyPoint')
    })
  })
})

describe('a restore', () => {
  const BACK = { recoveryPoint: 'latest', requestedBy: 'ana' }

  async function withCopy(): Promise<{ orders: CopiedSource; id: string; key: string }> {
    const orders = await open('copies: [dr]')
    const { id, artifacts } = await orders.take(daysAgo(1))
    await stage.play(orders.fakes, () => run('copyPoints'))
    return { orders, id, key: artifacts[0]?.key ?? '' }
  }

  test('prefers the repository of the source, and says nothing of copies', async () => {
    const { orders, id } = await withCopy()
    await orders.damage('dr', `holdfast/v1/orders/${id}/manifest.json`)
    await stage.play(orders.fakes, async () => {
      const report = await run('restore', BACK)
      expect(report).toMatchObject({ outcome: 'success', id })
      expect(report).not.toHaveProperty('repository')
      expect(report).not.toHaveProperty('warnings')
    })
  })

  test('takes the copy where that repository is gone', async () => {
    const { orders, id } = await withCopy()
    await rename(orders.pathOf('hot'), `${orders.pathOf('hot')}-gone`)
    await stage.play(orders.fakes, async () => {
      const report = await run('restore', BACK)
      expect(report).toMatchObject({ outcome: 'degraded', id, repository: 'dr' })
      expect(report.warnings).toEqual([expect.stringMatching(/^hot does not give it .* the copy in dr was taken$/)])
      expect(orders.restored).toEqual([`files of ${id}`])
    })
  })

  test('takes the copy where the point is damaged, whose failed proof stands where it was found', async () => {
    const { orders, id, key } = await withCopy()
    await orders.damage('hot', key)
    await stage.play(orders.fakes, async () => {
      const report = await run('restore', { ...BACK, recoveryPoint: id })
      expect(report).toMatchObject({ outcome: 'degraded', id, repository: 'dr' })
      expect(report.warnings).toEqual([expect.stringContaining(`the copy of ${id} in dr was taken`)])
      expect(orders.restored).toEqual([`files of ${id}`])
      expect(await (await orders.catalog('hot')).listPoints('orders')).toMatchObject([{ proof: { depth: 'read', ok: false } }])
    })
  })

  test('takes the copy where the manifest was altered', async () => {
    const { orders, id } = await withCopy()
    await orders.damage('hot', `holdfast/v1/orders/${id}/manifest.json`)
    await stage.play(orders.fakes, async () => {
      expect(await run('restore', { ...BACK, recoveryPoint: id })).toMatchObject({ outcome: 'degraded', repository: 'dr' })
    })
  })

  test('ends as without copies where none of them is whole', async () => {
    const { orders, id, key } = await withCopy()
    for (const repository of ['hot', 'dr'] as const) await orders.damage(repository, key)
    await stage.play(orders.fakes, async () => {
      expect(await endOf(run('restore', BACK))).toMatchObject({ code: 'INTEGRITY', object: id })
      expect(orders.restored).toEqual([])
    })
  })

  test('of a point that is kept off-site only takes it from there, which is nothing to warn of', async () => {
    const { orders, id } = await withCopy()
    await orders.take(daysAgo(0))
    await (await orders.catalog('hot')).deletePoint('orders', id)
    await stage.play(orders.fakes, async () => {
      const report = await run('restore', { ...BACK, recoveryPoint: id })
      expect(report).toMatchObject({ outcome: 'success', id, repository: 'dr' })
      expect(report).not.toHaveProperty('warnings')
    })
  })

  test('from a repository that was named asks no other', async () => {
    const { orders, key } = await withCopy()
    await stage.play(orders.fakes, async () => {
      expect(await run('restore', { ...BACK, repository: 'dr' })).toMatchObject({ outcome: 'success', repository: 'dr' })
      await orders.damage('dr', key)
      expect(await endOf(run('restore', { ...BACK, repository: 'dr' }))).toMatchObject({ code: 'INTEGRITY' })
      expect(await endOf(run('restore', { ...BACK, repository: 'offsite' }))).toMatchObject({ code: 'NOT_FOUND', object: 'offsite' })
    })
  })

  test.each(['read', 'full'])('is proved with the copy where the point is damaged, at depth %s too', async (depth) => {
    const { orders, id, key } = await withCopy()
    await orders.damage('hot', key)
    await stage.play(orders.fakes, async () => {
      const handle = await start('verifyRestore', { recoveryPoint: id, depth })
      expect(await handle.result()).toMatchObject({ ok: true, depth, repository: 'dr', outcome: 'degraded' })
      expect(await outcomeOf(handle)).toBe('degraded')
      expect(await (await orders.catalog('hot')).listPoints('orders')).toMatchObject([{ proof: { depth: 'read', ok: false } }])
      expect(await (await orders.catalog('dr')).listPoints('orders')).toMatchObject([{ proof: { depth, ok: true } }])
    })
  })
})
