/** Points in an archive class: moved there by retention, and brought back by runs that wait; by the real activities on the stand-in for S3. */
import { ListObjectVersionsCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { viewQuery } from '../../src/contract/messages.ts'
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes.ts'
import { HoldfastError } from '../../src/core/errors.ts'
import { pointId } from '../../src/core/ids.ts'
import { until } from '../../src/process/wait.ts'
import { readAll } from '../../src/storage/store.ts'
import { type ArchivingS3, startArchivingS3 } from '../support/archived.ts'
import { type ArchivedSource, archivedSource } from '../support/workflows/archived.ts'
import { failing } from '../support/workflows/failing.ts'
import { endOf, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
let s3: ArchivingS3
beforeAll(async () => {
  ;[stage, s3] = await Promise.all([openStage(), startArchivingS3()])
})
afterAll(async () => {
  for (const source of opened) await source.close()
  await stage?.close()
  await s3?.stop()
})

let count = 0
const start = (type: string, input: object = {}): Promise<WorkflowHandle> =>
  stage.client.workflow.start(type, { taskQueue: 'holdfast', workflowId: `${type}-${++count}`, args: [{ source: 'orders', ...input }] })
const run = async (type: string, input?: object) => (await start(type, input)).result()
const opened: ArchivedSource[] = []
const open = async (transitions: string, options?: Parameters<typeof archivedSource>[3]) => {
  const source = await archivedSource(s3, `cold-${++count}`, transitions, options)
  opened.push(source)
  return source
}
const daysAgo = (days: number, kind: 'scheduled' | 'manual' = 'scheduled') => pointId(new Date(Date.now() - days * 86_400_000), kind)

const INTO_GLACIER = '[{ after: 30d, storageClass: STANDARD_IA }, { after: 90d, storageClass: GLACIER }]'

describe('retention', () => {
  test('moves what is old enough, after it said so in a dry run, and once', async () => {
    const orders = await open(INTO_GLACIER)
    const [old, middle, young] = [daysAgo(100), daysAgo(40), daysAgo(1)]
    for (const id of [old, middle, young]) await orders.take(id)
    await stage.play(orders.fakes, async () => {
      const move = [
        { id: middle, storageClass: 'STANDARD_IA' },
        { id: old, storageClass: 'GLACIER' },
      ]
      expect(await run('retention', { dryRun: true })).toMatchObject([{ move, delete: [] }])
      expect(stage.ran).not.toContain('movePoints')
      expect(await run('retention')).toMatchObject([{ move, moved: { objects: 4, locked: 0 } }])
      expect([await orders.classes(old), await orders.classes(middle), await orders.classes(young)]).toEqual([
        ['GLACIER', 'GLACIER'],
        ['STANDARD_IA', 'STANDARD_IA'],
        [undefined, undefined],
      ])
      const [again] = await run('retention')
      expect(again).not.toHaveProperty('move')
      const listed = await orders.catalog.listPoints('orders')
      expect(listed.map(({ storageClasses }) => storageClasses)).toEqual([['GLACIER'], ['STANDARD_IA'], undefined])
    })
  })

  test('goes on where a try was killed between two objects', async () => {
    const orders = await open('[{ after: 90d, storageClass: GLACIER }]')
    const old = daysAgo(100)
    const { artifacts } = await orders.take(old)
    await orders.take(daysAgo(1))
    await orders.store.classes?.moveTo(artifacts[0]?.key ?? '', 'GLACIER')
    await stage.play(orders.fakes, async () => {
      expect(await run('retention')).toMatchObject([{ move: [{ id: old }], moved: { objects: 1 } }])
      expect(await orders.classes(old)).toEqual(['GLACIER', 'GLACIER'])
    })
  })

  test('leaves an object that is not what was stored as it is, with what lies below it, and says so', async () => {
    const orders = await open('[{ after: 90d, storageClass: GLACIER }]', { versions: true })
    const old = daysAgo(100)
    const { artifacts } = await orders.take(old)
    await orders.take(daysAgo(1))
    const { key = '' } = artifacts[0] ?? {}
    const Key = `kept here/${key}`
    const Body = Buffer.alloc((await readAll(orders.store, key)).length, 'x')
    await s3.client.send(new PutObjectCommand({ Bucket: orders.bucket, Key, Body, ChecksumAlgorithm: 'CRC32' }))
    await stage.play(orders.fakes, async () => {
      const retention = await start('retention')
      const unlike = { objects: 1, first: expect.stringContaining(`${key} has the store checksum`) }
      expect(await retention.result()).toMatchObject([{ moved: { objects: 1, unlike } }])
      const { typedSearchAttributes } = await retention.describe()
      expect(typedSearchAttributes.get(SEARCH_ATTRIBUTES.outcome)).toBe('degraded')
      expect(await orders.classes(old)).toEqual([undefined, 'GLACIER'])
      const { Versions = [] } = await s3.client.send(new ListObjectVersionsCommand({ Bucket: orders.bucket, Prefix: Key }))
      expect(Versions.map(({ StorageClass }) => StorageClass)).toEqual(['STANDARD', 'STANDARD'])
    })
  })
})

describe('a point in an archive', () => {
  test('is proved by nobody who has not asked for a thaw; a schedule proves one that can be read', async () => {
    const orders = await open('[{ after: 90d, storageClass: GLACIER }]')
    const [old, young] = [daysAgo(100), daysAgo(1)]
    for (const id of [old, young]) await orders.take(id)
    await stage.play(orders.fakes, async () => {
      await run('retention')
      const refused = await endOf(run('verifyRestore', { recoveryPoint: old }))
      expect(refused).toMatchObject({ code: 'POINT_ARCHIVED', object: old, next: expect.stringContaining('--thaw') })
      expect(stage.ran).not.toContain('proveRestore')
      expect(await run('verifyRestore', { recoveryPoint: old, depth: 'list' })).toMatchObject({ id: old, ok: true })
      for (let tries = 0; tries < 4; tries++)
        expect(await run('verifyRestore', { recoveryPoint: 'random', depth: 'read' })).toMatchObject({ id: young, ok: true })
      expect((await orders.catalog.listPoints('orders')).every(({ proof }) => proof?.ok)).toBe(true)
    })
  })

  test('is restored whole once it is thawed: the run shows what it waits for, and locks nobody out meanwhile', async () => {
    const orders = await open('[{ after: 90d, storageClass: DEEP_ARCHIVE }]')
    const [old, young] = [daysAgo(100), daysAgo(1)]
    for (const id of [old, young]) await orders.take(id)
    await stage.play(orders.fakes, async () => {
      await run('retention')
      s3.hold()
      const restore = await start('restore', { recoveryPoint: old, requestedBy: 'ana' })
      const waits = async () => (await restore.query(viewQuery)).steps.find(({ name }) => name === 'thaw')?.detail
      await until(async () => (await waits()) !== undefined, { what: 'the run to wait for the thaw', timeoutMs: 20_000 })
      expect(await waits()).toContain('0 of 2 objects are back from DEEP_ARCHIVE (Standard)')
      expect(await run('verifyRestore', { recoveryPoint: young, depth: 'read' })).toMatchObject({ ok: true })
      expect(orders.restored).toEqual([])
      s3.release()
      expect(await restore.result()).toMatchObject({ id: old, outcome: 'success' })
      expect(orders.restored).toEqual([`files of ${old}`, `more of ${old}`])
      // Thawed by now: nobody has to ask.
      expect(await run('verifyRestore', { recoveryPoint: old, depth: 'read' })).toMatchObject({ id: old, ok: true })
    })
  })

  test('is what a recovery to a point in time begins with once it is thawed, by itself and without a lock meanwhile', async () => {
    const orders = await open('[{ after: 90d, storageClass: GLACIER }]')
    const [old, young] = [daysAgo(100), daysAgo(1)]
    for (const id of [old, young]) await orders.take(id)
    await stage.play(orders.fakes, async () => {
      await run('retention')
      s3.hold()
      const recovery = await start('pointInTimeRecovery', { target: { time: new Date(Date.now() - 50 * 86_400_000).toISOString() } })
      const waits = async () => (await recovery.query(viewQuery)).steps.find(({ name }) => name === 'thaw')?.detail
      await until(async () => (await waits()) !== undefined, { what: 'the run to wait for the thaw', timeoutMs: 20_000 })
      expect(await run('verifyRestore', { recoveryPoint: young, depth: 'read' })).toMatchObject({ ok: true })
      expect(orders.restored).toEqual([])
      s3.release()
      expect(await recovery.result()).toMatchObject({ base: old, outcome: 'success' })
      expect(orders.restored).toEqual([`files of ${old}`, `more of ${old}`])
    })
  })

  test('is copied by nobody who has not asked for a thaw; who did has the others at once, and these when they can be read', async () => {
    const orders = await open('[{ after: 90d, storageClass: GLACIER }]', { copies: ['dr'] })
    const ids = [daysAgo(120), daysAgo(100), daysAgo(1)]
    for (const id of ids) await orders.take(id)
    const there = async () => (await orders.copied.listPoints('orders')).map(({ id }) => id)
    await stage.play(orders.fakes, async () => {
      await run('retention')
      s3.hold()
      const without = await run('copyPoints')
      const why = expect.stringContaining('it is in GLACIER: holdfast copy --thaw')
      expect(without).toMatchObject({
        outcome: 'success',
        copies: [
          {
            copied: [ids[2]],
            passedOver: [
              { id: ids[1], why },
              { id: ids[0], why },
            ],
          },
        ],
      })
      const newest = daysAgo(0)
      await orders.take(newest)
      const copy = await start('copyPoints', { thaw: true })
      const waits = async () => (await copy.query(viewQuery)).steps.find(({ name }) => name === 'thaw')?.detail
      await until(async () => (await waits()) !== undefined, { what: 'the run to wait for the thaw', timeoutMs: 20_000 })
      expect(await waits()).toContain(`${ids[1]}: 0 of 2 objects are back from GLACIER (Standard), and 1 more points`)
      expect(await there()).toEqual([ids[2], newest])
      // Nobody else who copies is kept waiting.
      expect(await run('copyPoints')).toMatchObject({ outcome: 'success' })
      s3.release()
      const report = await copy.result()
      expect(report).toMatchObject({ outcome: 'success', copies: [{ to: 'dr', proved: 3, passedOver: [] }], warnings: [] })
      expect(report.copies[0].copied).toEqual([newest, ids[1], ids[0]])
      expect(await there()).toEqual([...ids, newest])
    })
  })

  test('that several repositories lack is asked for once; each has the rest at once, and is brought only what it lacks', async () => {
    const orders = await open('[{ after: 90d, storageClass: GLACIER }]', { copies: ['dr', 'offsite'] })
    const [first, second, young] = [daysAgo(120), daysAgo(100), daysAgo(1)]
    for (const id of [first, young]) await orders.take(id)
    await stage.play(orders.fakes, async () => {
      await run('copyPoints', { to: 'offsite' })
      await orders.take(second)
      const newest = daysAgo(0)
      await orders.take(newest)
      await run('retention')
      s3.hold()
      const copy = await start('copyPoints', { thaw: true })
      const waits = async () => (await copy.query(viewQuery)).steps.find(({ name }) => name === 'thaw')?.detail
      await until(async () => (await waits()) !== undefined, { what: 'the run to wait for the thaw', timeoutMs: 20_000 })
      // Both points, of which one repository lacks both and the other one.
      expect(await waits()).toMatch(/0 of 2 objects are back from GLACIER \(Standard\), and 1 more points;/)
      expect([await orders.idsIn('dr'), await orders.idsIn('offsite')]).toEqual([
        [young, newest],
        [first, young, newest],
      ])
      expect(await run('copyPoints', { to: 'offsite' })).toMatchObject({ outcome: 'success' })
      s3.release()
      expect(await copy.result()).toMatchObject({
        outcome: 'success',
        copies: [
          { to: 'dr', copied: [newest, young, second, first], proved: 4, passedOver: [] },
          { to: 'offsite', copied: [newest, second], proved: 2, passedOver: [] },
        ],
        warnings: [],
      })
      for (const repository of ['dr', 'offsite'] as const) expect(await orders.idsIn(repository)).toEqual([first, second, young, newest])
    })
  })

  test('of one repository of copies keeps no other from its own, and is brought and thawed for nobody again', async () => {
    const orders = await open('[{ after: 90d, storageClass: GLACIER }]', { copies: ['icy', 'dr'] })
    const [old, young] = [daysAgo(100), daysAgo(1)]
    for (const id of [old, young]) await orders.take(id)
    const copied = (to: string, ids: string[]) => ({ to, copied: ids, proved: ids.length, passedOver: [] })
    await stage.play(orders.fakes, async () => {
      // Proved there, and moved by the rules of there.
      expect(await run('copyPoints', { to: 'icy' })).toMatchObject({ outcome: 'success', copies: [copied('icy', [young, old])] })
      expect(await orders.classesIn('icy', old)).toEqual(['GLACIER', 'GLACIER'])
      expect(await orders.classes(old)).toEqual([undefined, undefined])
      for (const [thaw, brought] of [
        [false, [young, old]],
        [true, []],
      ] as const)
        expect(await run('copyPoints', { thaw })).toMatchObject({
          outcome: 'success',
          copies: [copied('icy', []), copied('dr', [...brought])],
          warnings: [],
        })
      expect(stage.ran).not.toContain('thawPoint')
      expect(await orders.idsIn('dr')).toEqual([old, young])
    })
  })

  test('that is deleted while a copy of it is waited for holds up no other', async () => {
    const orders = await open('[{ after: 90d, storageClass: GLACIER }]', { copies: ['dr'] })
    const [first, second, young] = [daysAgo(120), daysAgo(100), daysAgo(1)]
    for (const id of [first, second, young]) await orders.take(id)
    await stage.play(orders.fakes, async () => {
      await run('retention')
      s3.hold()
      const copy = await start('copyPoints', { thaw: true })
      const waits = async () => (await copy.query(viewQuery)).steps.find(({ name }) => name === 'thaw')?.detail
      await until(async () => (await waits())?.includes(second), { what: 'the run to wait for the thaw', timeoutMs: 20_000 })
      await run('deleteRecoveryPoint', { recoveryPoint: second, confirm: second })
      await until(async () => (await waits())?.includes(first), { what: 'the run to wait for the other', timeoutMs: 20_000 })
      s3.release()
      expect(await copy.result()).toMatchObject({ outcome: 'success', copies: [{ copied: [young, first] }] })
    })
  })

  test('that its archive does not give back costs no copy of the others, and the run tells what it brought', async () => {
    const orders = await open('[{ after: 90d, storageClass: GLACIER }]', { copies: ['dr'] })
    const [old, young] = [daysAgo(100), daysAgo(1)]
    for (const id of [old, young]) await orders.take(id)
    const refused = new HoldfastError('STORE_DENIED', 'nobody here may thaw', { object: old })
    const thawPoint = async () => Promise.reject(refused)
    await stage.play({ ...orders.fakes, ...failing({ thawPoint }) }, async () => {
      await run('retention')
      s3.hold()
      const report = await run('copyPoints', { thaw: true })
      expect(report).toMatchObject({
        outcome: 'degraded',
        copies: [{ copied: [young] }],
        warnings: [expect.stringContaining('dr: nobody here may thaw')],
      })
    })
  })
})

test('a rotation asks for what is in an archive, holds no lock while it waits, and goes on with it', async () => {
  const report = { recipients: ['age1new'], points: 3, ids: ['b'], former: {}, problems: [] }
  const frozen = [{ id: 'a', repository: 'dr', archived: 'GLACIER' }]
  const asked: object[] = []
  let left = 1
  const fakes = sourceFakes({
    async rotateKeys({ source, thaw = false }) {
      asked.push({ source, thaw })
      if (source !== 'orders') return { ...report, source, rotated: 1 }
      return left > 0 ? { ...report, source, rotated: 1, frozen } : { ...report, source, rotated: 1, ids: ['a'] }
    },
    thawPoint: async () => ({ archived: 1, left, tier: 'Bulk', lookSeconds: 1 }),
  })
  await stage.play(fakes, async () => {
    const rotation = await start('rotateKeys', { source: undefined, thaw: true })
    const waits = async () => (await rotation.query(viewQuery)).steps.find(({ name }) => name === 'thaw')?.detail
    await until(async () => (await waits()) !== undefined, { what: 'the run to wait for the thaw', timeoutMs: 20_000 })
    expect(await run('verifyRestore', { depth: 'read' })).toMatchObject({ ok: true })
    left = 0
    const { sources } = await rotation.result()
    expect(sources).toEqual([
      { ...report, source: 'orders', rotated: 2, ids: ['b', 'a'] },
      { ...report, source: 'users', rotated: 1 },
    ])
    expect(asked).toEqual([
      { source: 'orders', thaw: true },
      { source: 'users', thaw: true },
      { source: 'orders', thaw: false },
    ])
  })
})
