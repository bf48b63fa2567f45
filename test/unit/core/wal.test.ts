/** Arithmetic of the WAL, by properties and by the examples that PostgreSQL's own functions gave. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Archive,
  branchesOf,
  divergence,
  formatLsn,
  parseHistory,
  parseLsn,
  parseSegmentName,
  runsOf,
  segmentBefore,
  segmentEnd,
  segmentName,
  segmentOf,
  timelineAt,
  wayOf,
} from '../../../src/core/wal.ts'

const MIB = 1024 * 1024
const sizes = fc.constantFrom(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024).map((mib) => mib * MIB)
const lsns = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffffn })

describe('positions and segments', () => {
  test('a position survives being written and read', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }), (lsn) => parseLsn(formatLsn(lsn)) === lsn))
  })

  test('the segment of a name is the segment that was named, for every segment size', () => {
    fc.assert(
      fc.property(lsns, fc.integer({ min: 1, max: 0xffff_ffff }), sizes, (lsn, timeline, bytes) => {
        const segment = { timeline, number: segmentOf(lsn, bytes) }
        expect(parseSegmentName(segmentName(segment, bytes), bytes)).toEqual(segment)
      }),
    )
  })

  test('every position lies in its segment, and names sort as positions do', () => {
    fc.assert(
      fc.property(lsns, lsns, sizes, (a, b, bytes) => {
        const at = segmentOf(a, bytes)
        expect(a < segmentEnd(at, bytes) && a >= segmentEnd(at, bytes) - BigInt(bytes)).toBe(true)
        const name = (lsn: bigint) => segmentName({ timeline: 3, number: segmentOf(lsn, bytes) }, bytes)
        expect(a <= b ? name(a) <= name(b) : name(a) >= name(b)).toBe(true)
      }),
    )
  })

  test("the names are PostgreSQL's", () => {
    expect(segmentName({ timeline: 1, number: segmentOf(parseLsn('0/3000148')) })).toBe('000000010000000000000003')
    expect(segmentName({ timeline: 0x2a, number: segmentOf(parseLsn('16/FF000000')) })).toBe('0000002A00000016000000FF')
    // A record that ends at a boundary stands in the segment before it.
    expect(segmentBefore(parseLsn('1/0'))).toBe(255)
    expect(parseSegmentName('0000000100000000000000FF')).toEqual({ timeline: 1, number: 255 })
    for (const other of ['00000002.history', '000000010000000000000008.partial', '000000010000000000000100', 'x'])
      expect(parseSegmentName(other)).toBeUndefined()
  })

  test('what is no position is refused with an example', () => {
    for (const text of ['', '0', '0/', 'G/1', '0/123456789'])
      expect(() => parseLsn(text)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID', next: 'write it as 16/B374D848' }))
  })
})

const archiveOf = (names: Record<number, number[]>, histories: Archive['histories'] = {}): Archive => ({
  segmentBytes: 16 * MIB,
  histories,
  segments: Object.entries(names).flatMap(([timeline, numbers]) =>
    numbers.map((number) => ({
      wal: segmentName({ timeline: Number(timeline), number }),
      storedAt: new Date(number * 60_000).toISOString(),
    })),
  ),
})

describe('runs', () => {
  test('runs and the holes between them are exactly what is there, whatever the order of the listing', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 1 }), (numbers) => {
        const runs = runsOf(1, archiveOf({ 1: numbers }))
        const covered = runs.flatMap(({ first, last }) =>
          Array.from({ length: last.number - first.number + 1 }, (_, index) => first.number + index),
        )
        expect(covered).toEqual([...numbers].sort((a, b) => a - b))
        for (const [index, run] of runs.entries())
          if (index > 0) expect(run.first.number).toBeGreaterThan((runs[index - 1]?.last.number ?? 0) + 1)
      }),
    )
  })

  test("at a fork the child holds the segment of the fork, and its parent's later segments are on another way", () => {
    const archive = archiveOf({ 1: [3, 4, 5, 6, 7], 2: [5, 6] }, { 2: [{ timeline: 1, lsn: '0/5800000' }] })
    expect(wayOf(2, archive)).toEqual([
      { timeline: 1, from: 0, to: 4 },
      { timeline: 2, from: 5, to: Number.POSITIVE_INFINITY },
    ])
    expect(runsOf(2, archive)).toMatchObject([{ first: { timeline: 1, number: 3 }, last: { timeline: 2, number: 6 } }])
    expect(branchesOf(archive)).toEqual([1, 2])
    expect(branchesOf(archiveOf({ 1: [3, 4], 2: [5] }, archive.histories))).toEqual([2])
  })

  test('a position belongs to the timeline that held it', () => {
    const histories = parseHistories({ 3: '1\t0/5000000\tx\n2\t0/7000000\ty\n' })
    expect(['0/4000000', '0/5000000', '0/5000001', '0/7000001'].map((lsn) => timelineAt(lsn, 3, histories))).toEqual([1, 1, 2, 3])
    expect(timelineAt('0/9000000', 1, histories)).toBe(1)
  })

  test('where two timelines part', () => {
    const histories = parseHistories({
      2: '1\t0/5000000\tno recovery target specified\n',
      3: '1\t0/5000000\tx\n2\t0/7000000\ty\n',
      4: '1\t0/4000000\tx\n',
    })
    expect(divergence(1, 2, histories)).toBe(parseLsn('0/5000000'))
    expect(divergence(2, 3, histories)).toBe(parseLsn('0/7000000'))
    expect(divergence(3, 4, histories)).toBe(parseLsn('0/4000000'))
    expect(divergence(3, 1, histories)).toBe(parseLsn('0/5000000'))
    expect(divergence(1, 9, { 9: [{ timeline: 8, lsn: '0/1' }] })).toBeUndefined()
  })
})

function parseHistories(texts: Record<number, string>): Archive['histories'] {
  return Object.fromEntries(Object.entries(texts).map(([timeline, text]) => [timeline, parseHistory(text)]))
}
