/** Gaps in segments of other engines: told where the names count, and never a "none" where nobody can tell. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NAMES } from '../../../src/drivers/raft-cluster/config.ts'
import { readSeries } from '../../../src/wal/series.ts'

const gapsOf = (names: string[], expression?: string) =>
  readSeries(names, expression).series.map(({ form, counts, gaps }) => [form, counts, gaps])
const numbered = (...numbers: number[]) => numbers.map((n) => `pages-${String(n).padStart(4, '0')}.wal`)

describe('segments that count', () => {
  it('in decimal have a gap where a number is missing, by its name', () => {
    expect(gapsOf(numbered(7, 8, 9, 10))).toEqual([['pages-*.wal', 'decimal', []]])
    expect(gapsOf(numbered(7, 8, 10, 11, 14))).toEqual([
      [
        'pages-*.wal',
        'decimal',
        [
          { from: 'pages-0009.wal', to: 'pages-0009.wal', missing: 1 },
          { from: 'pages-0012.wal', to: 'pages-0013.wal', missing: 2 },
        ],
      ],
    ])
  })

  it('may grow longer, stand last, and have what packed them behind them', () => {
    expect(gapsOf(['mysql-bin.000009', 'mysql-bin.000010', 'mysql-bin.000012'])).toEqual([
      ['mysql-bin.*', 'decimal', [{ from: 'mysql-bin.000011', to: 'mysql-bin.000011', missing: 1 }]],
    ])
    expect(gapsOf(['log9.wal.lz4', 'log10.wal.lz4', 'log11.wal.lz4'])).toEqual([['log*.wal.lz4', 'decimal', []]])
  })

  it('in hexadecimal do as soon as one of them has a letter', () => {
    expect(gapsOf(['seg-0009', 'seg-000A', 'seg-000B'])).toEqual([['seg-*', 'hexadecimal', []]])
    expect(gapsOf(['0008.log', '0009.log', '000c.log', '000d.log'])).toEqual([
      ['*.log', 'hexadecimal', [{ from: '000a.log', to: '000b.log', missing: 2 }]],
    ])
    expect(gapsOf(['0008.log', '0009.log', '000C.log', '000D.log'])[0]?.[2]).toEqual([{ from: '000A.log', to: '000B.log', missing: 2 }])
    expect(gapsOf(['0008.log', '0009.log', '0010.log'])).toEqual([['*.log', 'decimal', []]])
  })

  it('by the entries in them have those that are missing', () => {
    expect(gapsOf(['1-100.wal', '101-200.wal', '301-400.wal'])).toEqual([
      ['*-*.wal', 'entries', [{ from: '201', to: '300', missing: 100 }]],
    ])
  })

  it('are told apart by what stands around the number', () => {
    expect(gapsOf([...numbered(1, 2), ...numbered(1, 2).map((name) => `term2-${name}`)])).toEqual([
      ['pages-*.wal', 'decimal', []],
      ['term2-pages-*.wal', 'decimal', []],
    ])
  })

  it('whatever they are, lack exactly what was taken out', () => {
    const held = fc.uniqueArray(fc.integer({ min: 0, max: 300 }), { minLength: 2 })
    fc.assert(
      fc.property(held, (numbers) => {
        const { series, unread } = readSeries(numbered(...numbers))
        const missing = series.flatMap(({ gaps }) => gaps).reduce((sum, gap) => sum + gap.missing, 0)
        if (series.length > 0) expect(missing).toBe(Math.max(...numbers) - Math.min(...numbers) + 1 - numbers.length)
        expect(unread.length).toBe(series.length > 0 ? 0 : numbers.length)
      }),
    )
  })
})

describe('the expression of the source', () => {
  it('is taken at its word, where leaders overlap and where nothing follows upon anything', () => {
    expect(gapsOf(['1-5.wal', '3-9.wal', '6-9.wal', '12-14.wal'], NAMES)).toEqual([
      [NAMES, 'entries', [{ from: '10', to: '11', missing: 2 }]],
    ])
    expect(readSeries(['1-5.wal', '3-9.wal', '6-9.wal', '12-14.wal']).unread).toHaveLength(4)
    expect(gapsOf(['1-9.wal', '2-3.wal', '10-12.wal'], NAMES)).toEqual([[NAMES, 'entries', []]])
    expect(gapsOf(['1-5.wal', '20-25.wal'], NAMES)).toEqual([[NAMES, 'entries', [{ from: '6', to: '19', missing: 14 }]]])
  })

  it('leaves other names to be read as they are', () => {
    const { series, unread } = readSeries(['1-5.wal', '6-9.wal', 'seg-1', 'seg-2', 'notes'], NAMES)
    expect(series.map(({ form, files }) => [form, files])).toEqual([
      [NAMES, 2],
      ['seg-*', 2],
    ])
    expect(unread).toEqual(['notes'])
  })
})

it.each([
  ['one alone', ['pages-0001.wal']],
  ['random', ['3f2a9c1d.wal', '9b00aa41.wal', 'c0ffee00.wal']],
  ['places in the log', ['00000000.log', '16777216.log', '33554432.log']],
  ['seconds', ['log-1700000000', 'log-1700000060', 'log-1700000120']],
  ['days', ['20250130.wal', '20250131.wal', '20250201.wal']],
  ['days and times', ['20250130-120000.wal', '20250130-120100.wal']],
  ['a term and an index', ['1-5.wal', '2-6.wal', '3-7.wal']],
  ['entries that overlap', ['1-5.wal', '6-9.wal', '8-12.wal']],
  ['no numbers at all', ['first.wal', 'second.wal']],
  ['numbers beyond what can be counted exactly', ['9007199254740991.wal', '9007199254740992.wal']],
])('names that are %s tell of no gaps, and are said to tell nothing', (_, names) => {
  expect(readSeries(names)).toEqual({ series: [], unread: names })
})
