/** What an archive holds and lacks: over the bounds of names, across a change of timeline, for other sizes of segments. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Archive, segmentName } from '../../../src/core/wal.ts'
import { createMemoryStore } from '../../../src/storage/memory.ts'
import { contentsOf, gapsOf } from '../../../src/wal/contents.ts'
import { pushWal } from '../../../src/wal/push.ts'
import { type ArchiveUnderTest, createArchive, MIB, segmentBytes } from '../../support/archive.ts'

const SIZE = 16 * MIB
const archiveOf = (names: string[], histories: Archive['histories'] = {}): Archive => ({
  segmentBytes: SIZE,
  segments: names.map((wal) => ({ wal, storedAt: '2026-01-01T00:00:00Z' })),
  histories,
})
const names = (timeline: number, ...numbers: number[]) => numbers.map((number) => segmentName({ timeline, number }, SIZE))

describe('gaps', () => {
  it('are none between segments that follow each other, over the bound where the name jumps', () => {
    expect(gapsOf(archiveOf(['0000000100000000000000FE', '0000000100000000000000FF', '000000010000000100000000']))).toEqual([])
  })

  it('name the first and the last segment that is missing', () => {
    expect(gapsOf(archiveOf(names(1, 0xfd, 0x102)))).toEqual([
      { from: '0000000100000000000000FE', to: '000000010000000100000001', segments: 4 },
    ])
  })

  it('are exactly what was taken out, for any segments', () => {
    const held = fc.uniqueArray(fc.integer({ min: 0, max: 600 }), { minLength: 1 })
    fc.assert(
      fc.property(held, (numbers) => {
        const missing = gapsOf(archiveOf(names(1, ...numbers))).reduce((sum, { segments }) => sum + segments, 0)
        expect(missing).toBe(Math.max(...numbers) - Math.min(...numbers) + 1 - numbers.length)
      }),
    )
  })

  it('are found where a timeline began: what the parent has not archived before the fork', () => {
    const histories = { 2: [{ timeline: 1, lsn: '0/5000100' }] }
    const whole = archiveOf([...names(1, 3, 4), ...names(2, 5, 6)], histories)
    expect(gapsOf(whole)).toEqual([])
    expect(gapsOf({ ...whole, segments: whole.segments.filter(({ wal }) => wal !== '000000010000000000000004') })).toEqual([
      { from: '000000010000000000000004', to: '000000010000000000000004', segments: 1 },
    ])
    expect(gapsOf({ ...whole, segments: whole.segments.filter(({ wal }) => wal !== '000000020000000000000005') })).toEqual([
      { from: '000000020000000000000005', to: '000000020000000000000005', segments: 1 },
    ])
  })

  it('of the way that two timelines share are told once', () => {
    const histories = { 2: [{ timeline: 1, lsn: '0/9000100' }], 3: [{ timeline: 1, lsn: '0/9000200' }] }
    expect(gapsOf(archiveOf([...names(1, 3, 5, 6, 7, 8), ...names(2, 9), ...names(3, 9)], histories))).toHaveLength(1)
  })
})

describe('the contents of an archive', () => {
  let under: ArchiveUnderTest
  beforeAll(async () => {
    under = await createArchive()
  })
  afterAll(() => under.destroy())

  it('are told by timeline, with its gaps, the size of segments as the cluster has it, and without a key', async () => {
    const store = createMemoryStore()
    const archive = under.on(store)
    for (const name of ['000000010000000000000FFE', '000000010000000100000000', '000000020000000100000002'])
      await pushWal(archive, await under.file(name))
    await pushWal(archive, await under.file('00000002.history', '1\t1/100080\tno recovery target specified\n'))
    await pushWal(archive, await under.file('000000010000000000000FFE.00000028.backup', 'START WAL LOCATION'))
    await pushWal(archive, await under.file('some-other.log', 'x'))
    const { archive: name, verifier } = archive
    const contents = await contentsOf({ archive: name, store, verifier })
    // With segments of 1 MiB there are 4096 of them to an id: FFE, FFF, then 1/0.
    expect(contents).toMatchObject({ segmentBytes: MIB, others: 3, unrecorded: 0 })
    // And the first of the second timeline is missing, which only its history tells.
    expect(contents.gaps).toEqual([
      { from: '000000010000000000000FFF', to: '000000010000000000000FFF', segments: 1 },
      { from: '000000020000000100000001', to: '000000020000000100000001', segments: 1 },
    ])
    expect(contents.timelines).toMatchObject([
      { timeline: 1, segments: 2, first: '000000010000000000000FFE', last: '000000010000000100000000' },
      { timeline: 2, segments: 1, first: '000000020000000100000002', last: '000000020000000100000002' },
    ])
  })

  it('are those of the one archive', async () => {
    const store = createMemoryStore()
    await pushWal(under.on(store, 'shop'), await under.file('000000010000000000000001', segmentBytes()))
    expect(await contentsOf(under.on(store, 'shop2'))).toMatchObject({ timelines: [], gaps: [], others: 0 })
  })
})
