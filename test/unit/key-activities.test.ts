/** Keys of points wherever they are: also those that only a copy is left of, and those that are in an archive. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createKeyActivities } from '../../activities/keys.ts'
import { createMoves } from '../../activities/moves.ts'
import type { Services } from '../../activities/services.ts'
import { dataPrefix } from '../../src/catalog/keys.ts'
import { parseConfig } from '../../src/config/load.ts'
import { HoldfastError } from '../../src/core/errors.ts'
import { isArchive, type StorageClass } from '../../src/core/storage-classes.ts'
import { createSink } from '../../src/pipeline/capture.ts'
import { createMemoryStore } from '../../src/storage/memory.ts'
import type { Store } from '../../src/storage/store.ts'
import { inActivity } from '../support/activity.ts'
import { type Identity, makeIdentity } from '../support/age.ts'
import { catalogOn, manifestOf } from '../support/catalog.ts'

const [OLD, MIDDLE, YOUNG] = ['20250118_214530_manual', '20250218_214530_manual', '20250318_214530_manual'] as const
let dir: string
let old: Identity
let next: Identity
let third: Identity
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-keys-of-copies-'))
  ;[old, next, third] = [await makeIdentity(dir, 'old'), await makeIdentity(dir, 'next'), await makeIdentity(dir, 'third')]
})
afterAll(() => rm(dir, { recursive: true, force: true }))

/** Whose objects the store gives only to those who asked an archive for them. */
let archived: Set<string>
/** No object is moved. */
let locked: boolean
let stores: Record<'hot' | 'dr', Store>
beforeEach(() => {
  archived = new Set()
  locked = false
  stores = { hot: createMemoryStore(), dr: archiving(createMemoryStore()) }
})

function archiving(store: Store): Store {
  const isCold = (key: string) => [...archived].some((id) => key.startsWith(dataPrefix('orders', id)))
  return {
    ...store,
    async *list(prefix) {
      for await (const info of store.list(prefix)) yield isCold(info.key) ? { ...info, storageClass: 'GLACIER' } : info
    },
    async get(key, options) {
      if (isCold(key)) throw new HoldfastError('POINT_ARCHIVED', `${key} is archived`, { object: key })
      return store.get(key, options)
    },
    classes: {
      async moveTo(key, storageClass) {
        if (isCold(key)) return 'there'
        if (locked) return 'locked'
        if (isArchive(storageClass)) archived.add(key.split('/')[3] ?? '')
        return 'moved'
      },
      thaw: async () => {},
    },
  }
}

async function take(id: string, ...repositories: ('hot' | 'dr')[]): Promise<void> {
  for (const repository of repositories) {
    const store = stores[repository]
    const sink = createSink({ store, prefix: dataPrefix('orders', id), attempt: 1, recipients: [old.recipient] })
    const artifact = await sink.storeBytes({ part: 'database', role: 'database', required: true, bytes: Buffer.from(`of ${id}`) })
    await catalogOn(store).publishManifest(manifestOf('orders', id, [artifact], { encryption: { recipients: [old.recipient] } }))
  }
}

function worker(recipient: Identity, identity: Identity) {
  const config = parseConfig(
    `
repositories: { hot: { type: folder, path: /hot }, dr: { type: folder, path: /dr } }
encryption: { recipients: [${recipient.recipient}], identityFile: ${identity.file} }
signing: { keyId: a, publicKeys: { a: QQ== } }
sources: { orders: { driver: files, root: /srv, repository: hot, copies: [dr] } }
`,
    'holdfast.yaml',
  )
  const of = (repository: string) => stores[repository as 'hot' | 'dr']
  const services = { config, store: async (name: string) => of(name), catalog: async (name: string) => catalogOn(of(name)) }
  const keys = createKeyActivities(services as unknown as Services)
  const moves = createMoves(services as unknown as Services)
  return {
    rotate: (dryRun = false, thaw = false) => inActivity(() => keys.rotateKeys({ source: 'orders', dryRun, thaw })),
    move: (id: string, storageClass: StorageClass) =>
      inActivity(() => moves.movePoints({ source: 'orders', repository: 'dr', move: [{ id, storageClass }] })),
    check: () => inActivity(() => keys.checkKeys({ source: 'orders' })),
  }
}
const notesIn = async (repository: 'hot' | 'dr', id: string) => (await catalogOn(stores[repository]).keysOf('orders', id)).length

describe('a point that only a copy is left of', () => {
  it('is rotated where it is; one that the source has as well is given its notes there, and by the next copy', async () => {
    await take(OLD, 'dr')
    await take(YOUNG, 'hot', 'dr')
    const expected = { points: 2, rotated: 2, ids: [YOUNG, OLD], problems: [], former: { [old.recipient]: 2 } }
    expect(await worker(next, old).rotate(true)).toMatchObject(expected)
    expect(await worker(next, old).rotate()).toMatchObject(expected)
    expect([await notesIn('dr', OLD), await notesIn('hot', YOUNG), await notesIn('dr', YOUNG)]).toEqual([1, 1, 0])
    expect(await worker(next, old).rotate()).toMatchObject({ points: 2, rotated: 0 })
  })

  it('is opened by the check; where it does not open the check fails and names the repository', async () => {
    await take(OLD, 'dr')
    await take(YOUNG, 'hot')
    const copies = [{ repository: 'dr', point: OLD, part: 'database', looked: 'whole' }]
    expect(await worker(old, old).check()).toEqual({ source: 'orders', point: YOUNG, part: 'database', looked: 'whole', copies })
    await worker(next, old).rotate()
    expect(await worker(next, next).check()).toMatchObject({ point: YOUNG, copies })
    await take(MIDDLE, 'dr')
    await catalogOn(stores.dr).deletePoint('orders', OLD)
    await expect(worker(next, next).check()).rejects.toMatchObject({
      code: 'KEY_WRONG',
      message: expect.stringContaining('in dr'),
      next: expect.stringContaining('holdfast copy orders --to dr'),
    })
  })
})

describe('a point in an archive', () => {
  it('keeps no other from being rotated, and is named with what to do first', async () => {
    await take(OLD, 'dr')
    await take(MIDDLE, 'dr')
    archived.add(OLD)
    const report = await worker(next, old).rotate()
    expect(report).toMatchObject({ points: 2, rotated: 1, ids: [MIDDLE] })
    expect(report.problems).toEqual([{ id: OLD, repository: 'dr', code: 'POINT_ARCHIVED', message: expect.stringContaining('thaw') }])
    expect(report.problems[0]?.message).toContain('holdfast rotate-keys orders --thaw')
    const asked = await worker(next, old).rotate(false, true)
    expect(asked).toMatchObject({ rotated: 0, problems: [], frozen: [{ id: OLD, repository: 'dr', archived: 'GLACIER' }] })
    archived.clear()
    expect(await worker(next, old).rotate()).toMatchObject({ rotated: 1, ids: [OLD], problems: [] })
  })

  it('that was rotated before need not be thawed: the note of then is enough', async () => {
    await take(OLD, 'dr')
    await worker(next, old).rotate()
    archived.add(OLD)
    expect(await worker(third, next).rotate()).toMatchObject({ rotated: 1, ids: [OLD], problems: [] })
    expect(await catalogOn(stores.dr).keysOf('orders', OLD)).toMatchObject([
      { recipients: [next.recipient] },
      { recipients: [third.recipient] },
    ])
  })

  it('that retention moved there need not be thawed either: what a rotation reads of it was kept beside it', async () => {
    for (const id of [OLD, MIDDLE]) await take(id, 'dr')
    const { move, rotate } = worker(next, old)
    await move(OLD, 'STANDARD_IA')
    expect(await notesIn('dr', OLD)).toBe(0)
    for (const objects of [0, 1, 0]) {
      // Kept once, however often it is tried.
      locked = objects === 0
      expect([await move(MIDDLE, 'GLACIER'), await notesIn('dr', MIDDLE)]).toMatchObject([{ objects }, 1])
    }
    expect(archived).toEqual(new Set([MIDDLE]))
    expect(await rotate()).toMatchObject({ points: 2, rotated: 2, problems: [] })
    expect((await catalogOn(stores.dr).keysOf('orders', MIDDLE)).map(({ recipients }) => recipients)).toEqual([
      [old.recipient],
      [next.recipient],
    ])
    archived.clear()
    expect(await worker(next, next).check()).toMatchObject({ copies: [{ point: OLD }] })
    await catalogOn(stores.dr).deletePoint('orders', OLD)
    expect(await worker(next, next).check()).toMatchObject({ copies: [{ point: MIDDLE, looked: 'whole' }] })
  })

  it('is passed over by the check, which opens the oldest that can be read and says how many it passed over', async () => {
    await take(OLD, 'dr')
    await take(MIDDLE, 'dr')
    archived.add(OLD)
    expect(await worker(old, old).check()).toMatchObject({ copies: [{ repository: 'dr', point: MIDDLE, archived: 1 }] })
    archived.add(MIDDLE)
    expect(await worker(old, old).check()).toEqual({ source: 'orders', copies: [{ repository: 'dr', archived: 2 }] })
  })
})
