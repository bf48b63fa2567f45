/** Which base, which timeline, what is out of reach. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { choosePitrBase, type PitrBase, windowsOf } from '../../../src/core/planning.ts'
import { type Archive, formatLsn, parseLsn, segmentName } from '../../../src/core/wal.ts'

const SEGMENT = 16 * 1024 * 1024
const at = (minute: number) => new Date(Date.UTC(2026, 0, 1) + minute * 60_000).toISOString()
const lsn = (segment: number, offset = 0x100) => formatLsn(BigInt(segment) * BigInt(SEGMENT) + BigInt(offset))
const wal = (timeline: number, number: number) => segmentName({ timeline, number })

/** A backup within one segment, ended in the minute of its number. */
const base = (label: string, number: number, more: Partial<PitrBase> = {}): PitrBase => ({
  label,
  timeline: 1,
  systemId: 's',
  walStart: wal(more.timeline ?? 1, number),
  walStop: wal(more.timeline ?? 1, number),
  lsnStop: lsn(number),
  stoppedAt: at(number),
  ...more,
})
const archive = (held: Record<number, number[]>, histories: Archive['histories'] = {}): Archive => ({
  segmentBytes: SEGMENT,
  histories,
  segments: Object.entries(held).flatMap(([timeline, numbers]) =>
    numbers.map((number) => ({ wal: wal(Number(timeline), number), storedAt: at(number + 1) })),
  ),
})
const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
const refused = (code: string, message?: RegExp) =>
  expect.objectContaining({ code, ...(message ? { message: expect.stringMatching(message) } : {}) })

describe('choosing a base', () => {
  const whole = archive({ 1: upTo(2, 20) })
  const bases = [base('a', 3), base('b', 8), base('c', 15)]

  test('it is the newest that stopped before the target', () => {
    expect(choosePitrBase(bases, { time: at(10) }, whole)).toMatchObject({ label: 'b', timeline: 1 })
    expect(choosePitrBase(bases, { lsn: lsn(8) }, whole).label).toBe('b')
    expect(choosePitrBase(bases, { lsn: lsn(8, 0x80) }, whole).label).toBe('a')
    expect(choosePitrBase(bases, { latest: true }, whole).label).toBe('c')
  })

  test('a backup that ended in the very second of the target is not before it', () => {
    expect(choosePitrBase(bases, { time: at(8) }, whole).label).toBe('a')
    expect(choosePitrBase(bases, { time: new Date(Date.parse(at(8)) + 1000).toISOString() }, whole).label).toBe('b')
  })

  test('a transaction is after a base only if its number was given after it; a name where it is known', () => {
    const known = [
      base('a', 3, { nextXid: '700' }),
      base('b', 8, { nextXid: '900', restorePoint: { name: 'n', lsn: lsn(9) } }),
      base('c', 15, { nextXid: '950' }),
    ]
    expect(choosePitrBase(known, { xid: '900' }, whole).label).toBe('b')
    expect(choosePitrBase(known, { xid: '899' }, whole).label).toBe('a')
    expect(choosePitrBase(known, { name: 'n' }, whole).label).toBe('b')
    expect(choosePitrBase(known, { name: 'of others' }, whole).label).toBe('a')
  })

  test('whatever the backups and holes: a chosen base stopped before the target, and all WAL between is there', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        fc.integer({ min: 1, max: 41 }),
        (held, taken, goal) => {
          const present = new Set(held)
          const all = taken.map((number) => base(String(number), number))
          const good = taken.filter((number) => number < goal && upTo(number, goal - 1).every((each) => present.has(each)))
          const choose = () => choosePitrBase(all, { lsn: lsn(goal, 0) }, archive({ 1: held }))
          if (good.length === 0) expect(choose).toThrow(refused('TARGET_OUT_OF_RANGE'))
          else expect(choose().label).toBe(String(Math.max(...good)))
        },
      ),
    )
  })
})

describe('out of reach', () => {
  test('before the first and after the last moment: both are named', () => {
    const whole = archive({ 1: upTo(2, 20) })
    for (const target of [{ time: at(1) }, { time: at(22) }, { lsn: lsn(2) }, { lsn: lsn(30) }]) {
      expect(() => choosePitrBase([base('a', 3)], target, whole)).toThrow(
        refused('TARGET_OUT_OF_RANGE', /first recoverable moment is 2026-01-01T00:03:00.000Z .*the last 2026-01-01T00:21:00.000Z/),
      )
    }
  })

  test('a hole bars what is behind it, until the next base', () => {
    const holed = archive({ 1: [...upTo(2, 9), ...upTo(12, 20)] })
    expect(() => choosePitrBase([base('a', 3)], { latest: true }, holed)).toThrow(
      refused('TARGET_OUT_OF_RANGE', /2 WAL segments between 000000010000000000000009 and 00000001000000000000000C are missing/),
    )
    expect(() => choosePitrBase([base('a', 3)], { lsn: lsn(13) }, holed)).toThrow(refused('TARGET_OUT_OF_RANGE'))
    expect(choosePitrBase([base('a', 3)], { lsn: lsn(9) }, holed).label).toBe('a')
    expect(choosePitrBase([base('a', 3), base('b', 14)], { latest: true }, holed).label).toBe('b')
    expect(() => choosePitrBase([base('a', 3), base('b', 14)], { lsn: lsn(13) }, holed)).toThrow(refused('TARGET_OUT_OF_RANGE'))
  })

  test('what retention took away is told apart from a loss, and no moment of it is promised', () => {
    const bases = [base('old', 3), base('b', 14)]
    const expired = archive({ 1: [3, ...upTo(14, 20)] })
    expect(windowsOf(expired, bases)).toMatchObject({
      windows: [{ from: { label: 'old' }, alone: true }, { from: { label: 'b' } }],
      gaps: [{ missing: 10, expired: true }],
    })
    expect(windowsOf(expired, bases).windows[1]).not.toHaveProperty('alone')
    expect(() => choosePitrBase(bases, { time: at(9) }, expired)).toThrow(
      refused('TARGET_OUT_OF_RANGE', new RegExp(`first recoverable moment is ${at(14)} .* points by themselves$`)),
    )
    for (const lost of [archive({ 1: [3, 4, ...upTo(14, 20)] }), archive({ 1: [3, ...upTo(13, 20)] })]) {
      expect(windowsOf(lost, bases).gaps[0]).not.toHaveProperty('expired')
      expect(windowsOf(lost, bases).windows[0]).not.toHaveProperty('alone')
    }
  })

  test('windows and gaps are both shown', () => {
    const holed = archive({ 1: [...upTo(2, 9), ...upTo(12, 20)] })
    expect(windowsOf(holed, [base('a', 3), base('b', 14)])).toEqual({
      windows: [
        { timeline: 1, from: { lsn: lsn(3), time: at(3), label: 'a' }, to: { lsn: '0/A000000', time: at(10), wal: wal(1, 9) } },
        { timeline: 1, from: { lsn: lsn(14), time: at(14), label: 'b' }, to: { lsn: '0/15000000', time: at(21), wal: wal(1, 20) } },
      ],
      gaps: [{ timeline: 1, afterWal: wal(1, 9), beforeWal: wal(1, 12), missing: 2 }],
    })
  })

  test('a hole before the oldest backup bars nothing and is not shown', () => {
    expect(windowsOf(archive({ 1: [1, ...upTo(5, 9)] }), [base('a', 6)]).gaps).toEqual([])
  })

  test('times without an offset, and targets that name nothing or two things, are refused', () => {
    for (const target of [
      { time: '2026-01-01T00:05:00' },
      { time: '2026-01-01 00:05:00+00' },
      {},
      { lsn: '0/1', latest: true },
      { xid: 'x' },
    ]) {
      expect(() => choosePitrBase([base('a', 3)], target, archive({ 1: upTo(2, 9) }))).toThrow(refused('INPUT_INVALID'))
    }
  })

  test('backups of another database system are no bases', () => {
    expect(() => choosePitrBase([base('a', 3)], { latest: true }, archive({ 1: upTo(2, 9) }), { systemId: 'other' })).toThrow(
      refused('TARGET_AMBIGUOUS'),
    )
    expect(() => choosePitrBase([], { latest: true }, archive({}))).toThrow(refused('NOT_FOUND'))
  })
})

describe('branches', () => {
  const history = { 2: [{ timeline: 1, lsn: lsn(10, 0x80_0000) }] }
  const forked = archive({ 1: upTo(2, 14), 2: upTo(10, 16) }, history)
  const bases = [base('a', 3), base('old', 12), base('new', 12, { timeline: 2 })]

  test('where the old side went on after the fork, latest and what follows the fork need a timeline', () => {
    for (const target of [{ latest: true }, { lsn: lsn(13) }, { time: at(13) }]) {
      expect(() => choosePitrBase(bases, target, forked)).toThrow(refused('TARGET_AMBIGUOUS', /timelines 1 and 2/))
    }
    expect(choosePitrBase(bases, { latest: true, timeline: 2 }, forked)).toMatchObject({ label: 'new', timeline: 2 })
    expect(choosePitrBase(bases, { lsn: lsn(13), timeline: 1 }, forked)).toMatchObject({ label: 'old', timeline: 1 })
  })

  test('before the fork both are one', () => {
    expect(choosePitrBase(bases, { lsn: lsn(9) }, forked)).toMatchObject({ label: 'a', timeline: 1 })
    expect(choosePitrBase(bases, { time: at(9) }, forked)).toMatchObject({ label: 'a', timeline: 1 })
  })

  test('after a clean switch there is one way, over both timelines, without a question', () => {
    const clean = archive({ 1: upTo(2, 9), 2: upTo(10, 16) }, history)
    expect(choosePitrBase([base('a', 3)], { latest: true }, clean)).toMatchObject({ label: 'a', timeline: 2 })
    expect(windowsOf(clean, [base('a', 3)]).windows.map(({ timeline }) => timeline)).toEqual([1, 2])
  })

  test('a base of the old side that stopped after the fork leads nowhere on the new one', () => {
    expect(() => choosePitrBase([base('old', 12)], { lsn: lsn(15), timeline: 2 }, forked)).toThrow(refused('TARGET_OUT_OF_RANGE'))
  })

  test('a timeline that is not there is refused', () => {
    expect(() => choosePitrBase(bases, { lsn: lsn(9), timeline: 7 }, forked)).toThrow(refused('TARGET_OUT_OF_RANGE'))
  })

  test('the base never lies after the target, on any way', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 17 }), fc.constantFrom(1, 2), (number, timeline) => {
        try {
          const choice = choosePitrBase(bases, { lsn: lsn(number, 0x10), timeline }, forked)
          expect(parseLsn(choice.base.lsnStop) <= parseLsn(lsn(number, 0x10))).toBe(true)
          expect(choice.base.timeline <= timeline).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ code: 'TARGET_OUT_OF_RANGE' })
        }
      }),
    )
  })
})
