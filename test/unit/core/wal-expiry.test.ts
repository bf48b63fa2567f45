/** What WAL may go, and that no moment of the window goes with it. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { choosePitrBase } from '../../../src/core/planning.ts'
import { type Archive, formatLsn, segmentName } from '../../../src/core/wal.ts'
import { type ArchivedBackup, planWalExpiry } from '../../../src/core/wal-expiry.ts'

const SEGMENT = 16 * 1024 * 1024
const minute = (count: number) => Date.UTC(2026, 0, 1) + count * 60_000
const at = (count: number) => new Date(minute(count)).toISOString()
const wal = (timeline: number, number: number) => segmentName({ timeline, number })
const lsn = (segment: number) => formatLsn(BigInt(segment) * BigInt(SEGMENT) + 0x100n)

/** A backup within one segment, ended in the minute of its number. */
const backup = (number: number, more: Partial<ArchivedBackup> = {}): ArchivedBackup => ({
  label: `b${number}`,
  type: 'full',
  needs: [],
  base: true,
  timeline: 1,
  systemId: 's',
  walStart: wal(more.timeline ?? 1, number),
  walStop: wal(more.timeline ?? 1, number),
  lsnStop: lsn(number),
  stoppedAt: at(number),
  ...more,
})
const onTop = (number: number, full: number, more: Partial<ArchivedBackup> = {}) =>
  backup(number, { type: 'incremental', needs: [`b${full}`], ...more })
const upTo = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index)
/** Segment n was stored in minute n + 1. */
const archive = (held: Record<number, number[]>, histories: Archive['histories'] = {}): Archive => ({
  segmentBytes: SEGMENT,
  histories,
  segments: Object.entries(held).flatMap(([timeline, numbers]) =>
    numbers.map((number) => ({ wal: wal(Number(timeline), number), storedAt: at(number + 1) })),
  ),
})
const names = (timeline: number, numbers: number[]) => numbers.map((number) => wal(timeline, number))

describe('WAL that may go', () => {
  const whole = archive({ 1: upTo(1, 40) })

  test('is what lies before the newest full backup that the window begins with, but for what older ones need for themselves', () => {
    const backups = [backup(2), onTop(5, 2), backup(10, { walStop: wal(1, 11) }), backup(20), onTop(25, 20), backup(35)]
    expect(planWalExpiry(whole, backups, minute(30))).toEqual({
      keepFulls: 2,
      segments: names(1, [1, 3, 4, 6, 7, 8, 9, ...upTo(12, 19)]),
      alone: ['b2', 'b5', 'b10'],
    })
  })

  test('is none while no point is older than the window, or only a backup that no point references', () => {
    expect(planWalExpiry(whole, [backup(10)], minute(5))).toEqual({ left: 'no point on timeline 1 is older than the window' })
    expect(planWalExpiry(whole, [backup(10, { base: false }), backup(20)], minute(15))).toMatchObject({
      left: expect.stringMatching(/no point/),
    })
    expect(planWalExpiry(whole, [backup(2), backup(10, { base: false })], minute(15))).toMatchObject({
      keepFulls: 2,
      segments: [wal(1, 1)],
    })
    expect(planWalExpiry(whole, [backup(10)], minute(100))).toEqual({ left: 'nothing was archived within the window' })
  })

  test('is none where WAL is missing after the point that the window begins with', () => {
    const holed = archive({ 1: upTo(1, 40).filter((number) => number !== 33) })
    expect(planWalExpiry(holed, [backup(2), backup(20)], minute(30))).toEqual({
      left: `WAL is missing on timeline 1 after ${wal(1, 20)}`,
      unhealthy: true,
    })
    const before = archive({ 1: upTo(1, 40).filter((number) => number !== 12) })
    expect(planWalExpiry(before, [backup(2), backup(20)], minute(30))).toMatchObject({
      segments: names(1, [1, ...upTo(3, 11), ...upTo(13, 19)]),
    })
  })

  test('is none of a timeline that a moment of the window is on, and all of one that ended before', () => {
    const forked = archive({ 1: upTo(1, 26), 2: upTo(25, 40) }, { 2: [{ timeline: 1, lsn: lsn(25) }] })
    expect(planWalExpiry(forked, [backup(10), backup(20), backup(28, { timeline: 2 })], minute(30))).toMatchObject({
      keepFulls: 1,
      segments: [...names(1, [...upTo(1, 9), ...upTo(11, 19), ...upTo(21, 26)]), ...names(2, [25, 26, 27])],
    })
    expect(planWalExpiry(forked, [backup(10), backup(20), backup(28, { timeline: 2 })], minute(26.5))).toMatchObject({ keepFulls: 2 })
  })

  test('is none where a branch of an old timeline is still in use, and replay on it begins before', () => {
    const branched = archive({ 1: upTo(1, 40), 2: upTo(25, 40) }, { 2: [{ timeline: 1, lsn: lsn(25) }] })
    const backups = [backup(10), backup(28, { timeline: 2 }), backup(29)]
    expect(planWalExpiry(branched, backups, minute(35))).toMatchObject({ left: expect.stringMatching(/needs it/) })
    expect(planWalExpiry(branched, [backup(10), backup(28, { timeline: 2 })], minute(35))).toMatchObject({ keepFulls: 2 })
  })

  test('is none where the backups are of more than one database system, or their full one is not listed', () => {
    expect(planWalExpiry(whole, [backup(2), backup(20, { systemId: 'other' })], minute(30))).toMatchObject({
      left: expect.stringMatching(/more than one/),
    })
    expect(planWalExpiry(whole, [onTop(20, 3)], minute(30))).toMatchObject({ unhealthy: true })
  })
})

describe('whatever the backups, the window, the forks and the holes', () => {
  const histories = fc.record({
    numbers: fc.uniqueArray(fc.integer({ min: 2, max: 60 }), { minLength: 1, maxLength: 8 }),
    incremental: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
    points: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 8, maxLength: 8 }),
    begins: fc.integer({ min: 1, max: 70 }),
    fork: fc.option(fc.integer({ min: 5, max: 55 })),
    tail: fc.integer({ min: 0, max: 5 }),
    holes: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 1 }),
  })
  type History = typeof histories extends fc.Arbitrary<infer T> ? T : never

  function build({ numbers, incremental, points, fork, tail, holes }: History) {
    const held = (from: number, to: number) => upTo(from, to).filter((number) => !holes.includes(number))
    const kept =
      fork === null
        ? archive({ 1: held(1, 60) })
        : archive({ 1: held(1, fork + tail), 2: held(fork, 60) }, { 2: [{ timeline: 1, lsn: lsn(fork) }] })
    let full: ArchivedBackup | undefined
    const backups = numbers
      .toSorted((a, b) => a - b)
      .map((number, index) => {
        const more = { base: points[index] !== 0, ...(fork !== null && number > fork && { timeline: 2 }) }
        const made: ArchivedBackup =
          full && incremental[index] ? backup(number, { ...more, type: 'incremental', needs: [full.label] }) : backup(number, more)
        if (made.type === 'full') full = made
        return made
      })
    return { kept, backups }
  }

  test('every moment of the window is reached from where it was, and each backup keeps what makes it consistent', () => {
    let went = 0
    fc.assert(
      fc.property(histories, fc.integer({ min: 0, max: 60 }), (history, later) => {
        const { kept, backups } = build(history)
        const plan = planWalExpiry(kept, backups, minute(history.begins))
        if ('left' in plan) return
        went += plan.segments.length
        const gone = new Set(plan.segments)
        const left = { ...kept, segments: kept.segments.filter((segment) => !gone.has(segment.wal)) }
        for (const { walStart } of backups)
          if (kept.segments.some((segment) => segment.wal === walStart)) expect(gone).not.toContain(walStart)
        const bases = backups.filter(({ base }) => base)
        const reach = (from: Archive) => {
          try {
            const { label, timeline } = choosePitrBase(bases, { time: at(history.begins + later + 0.5) }, from)
            return { label, timeline }
          } catch (error) {
            return (error as { code: string }).code
          }
        }
        expect(reach(left)).toEqual(reach(kept))
        expect(planWalExpiry(left, backups, minute(history.begins))).toMatchObject({ segments: [] })
      }),
      { numRuns: 500 },
    )
    expect(went).toBeGreaterThan(100)
  })
})
