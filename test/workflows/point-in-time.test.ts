/** Points in time from copies: the base of a recovery where its repository is gone, damaged or too young, by the real activities on folders. */
import { rename } from 'node:fs/promises'
import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { pointId } from '../../src/core/ids.ts'
import { createFolderStore } from '../../src/storage/folder.ts'
import { type CopiedSource, copiedSource } from '../support/workflows/copied.ts'
import { endOf } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
let orders: CopiedSource
beforeAll(async () => {
  stage = await openStage()
})
afterAll(async () => stage?.close())
afterEach(async () => orders?.close())

let count = 0
const start = (type: string, input: object = {}): Promise<WorkflowHandle> =>
  stage.client.workflow.start(type, { taskQueue: 'holdfast', workflowId: `${type}-${++count}`, args: [{ source: 'orders', ...input }] })
const run = async (type: string, input?: object) => (await start(type, input)).result()

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)
const idOf = (days: number) => pointId(daysAgo(days), 'scheduled')
const recover = (days: number, more = {}) => run('pointInTimeRecovery', { target: { time: daysAgo(days).toISOString() }, ...more })

/** A point of five days ago and one of yesterday, both with their copies in dr. */
async function withCopies(): Promise<{ old: string; young: string; key: string }> {
  orders = await copiedSource('copies: [dr]')
  const [old, young] = [idOf(5), idOf(1)]
  const { artifacts } = await orders.take(old)
  await orders.take(young)
  const [hot, dr] = [await orders.catalog('hot'), await createFolderStore(orders.pathOf('dr'))]
  for (const id of [old, young]) await hot.copyPoint(dr, 'orders', id)
  return { old, young, key: artifacts[0]?.key ?? '' }
}

describe('a recovery to a point in time', () => {
  test('prefers the repository of the source, and says nothing of copies', async () => {
    const { old } = await withCopies()
    await orders.damage('dr', `holdfast/v1/orders/${old}/manifest.json`)
    await stage.play(orders.fakes, async () => {
      const report = await recover(3)
      expect(report).toMatchObject({ outcome: 'success', base: old, warnings: [] })
      expect(report).not.toHaveProperty('repository')
      expect(orders.restored).toEqual([`files of ${old}`])
    })
  })

  test('takes the copy of its base where that repository is gone', async () => {
    const { old } = await withCopies()
    await rename(orders.pathOf('hot'), `${orders.pathOf('hot')}-gone`)
    await stage.play(orders.fakes, async () => {
      const report = await recover(3)
      expect(report).toMatchObject({ outcome: 'degraded', base: old, repository: 'dr' })
      expect(report.warnings).toEqual([expect.stringMatching(/^hot does not give it .* the copy in dr was taken$/)])
      expect(orders.restored).toEqual([`files of ${old}`])
    })
  })

  test('takes the copy where the base is damaged, whose failed proof stands where it was found', async () => {
    const { old, key } = await withCopies()
    await orders.damage('hot', key)
    await stage.play(orders.fakes, async () => {
      const report = await recover(3)
      expect(report).toMatchObject({ outcome: 'degraded', base: old, repository: 'dr' })
      expect(report.warnings).toEqual([expect.stringContaining(`the copy of ${old} in dr was taken`)])
      expect(report.instance).toMatch(/^pitr-.{12}1$/)
      expect(orders.restored).toEqual([`files of ${old}`])
      const found = (await (await orders.catalog('hot')).listPoints('orders')).find(({ id }) => id === old)
      expect(found).toMatchObject({ proof: { depth: 'read', ok: false } })
    })
  })

  test('takes the copy of a base that is kept off-site only, which is nothing to warn of', async () => {
    const { old } = await withCopies()
    await (await orders.catalog('hot')).deletePoint('orders', old)
    await stage.play(orders.fakes, async () => {
      expect(await recover(3)).toMatchObject({ outcome: 'success', base: old, repository: 'dr', warnings: [] })
    })
  })

  test('leaves out what cannot be trusted, and says so', async () => {
    const { old, young } = await withCopies()
    await orders.damage('hot', `holdfast/v1/orders/${young}/manifest.json`)
    await stage.play(orders.fakes, async () => {
      const report = await recover(0)
      expect(report).toMatchObject({ outcome: 'degraded', base: old })
      expect(report.warnings).toEqual([expect.stringMatching(/^1 points in hot cannot be trusted and were left out: /)])
    })
  })

  test('from a repository that was named asks no other', async () => {
    const { old, key } = await withCopies()
    await orders.damage('dr', key)
    await stage.play(orders.fakes, async () => {
      expect(await endOf(recover(3, { repository: 'dr' }))).toMatchObject({ code: 'INTEGRITY' })
      await orders.damage('dr', key)
      expect(await recover(3, { repository: 'dr' })).toMatchObject({ outcome: 'success', base: old, repository: 'dr' })
      expect(await endOf(recover(3, { repository: 'offsite' }))).toMatchObject({ code: 'NOT_FOUND', object: 'offsite' })
    })
  })

  test('ends as without copies where none of them is whole, and leaves nothing behind', async () => {
    const { key } = await withCopies()
    for (const repository of ['hot', 'dr'] as const) await orders.damage(repository, key)
    await stage.play(orders.fakes, async () => {
      expect(await endOf(recover(3))).toMatchObject({ code: 'INTEGRITY', object: key })
      expect(orders.restored).toEqual([])
      expect(stage.ran.filter((name) => name === 'discardInstance')).toHaveLength(2)
    })
  })

  test('says of each repository why nothing of it leads there', async () => {
    await withCopies()
    await rename(orders.pathOf('hot'), `${orders.pathOf('hot')}-gone`)
    await stage.play(orders.fakes, async () => {
      const { code, message } = await endOf(recover(9))
      expect(code).toBe('NOT_FOUND')
      expect(message).toMatch(/hot.*; in dr: no point is as old as /)
    })
  })

  test('is refused before anything is restored where the log is gone with its repository, and says what can be had', async () => {
    const { old } = await withCopies()
    await rename(orders.pathOf('hot'), `${orders.pathOf('hot')}-gone`)
    orders.log.there = false
    await stage.play(orders.fakes, async () => {
      expect(await endOf(recover(3))).toMatchObject({
        code: 'NOT_FOUND',
        message: expect.stringContaining('the log of orders cannot be read, and no copy has it: there is no folder /srv/log'),
        next: expect.stringContaining(`holdfast restore orders ${old} --repository dr`),
      })
      expect(stage.ran).not.toContain('recoverToPoint')
    })
  })
})
