/** What goes before the oldest that is kept: by the log's own order, and nothing that a younger timeline may need. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { segmentName } from '../../../src/core/wal.ts'
import { filesBefore } from '../../../src/wal/before.ts'

const held = (...names: string[]) => names.map((name) => ({ name, archivedAt: new Date(0), storedBytes: 1, objects: [] }))
const going = (names: string[], oldest: string) => filesBefore(held(...names), oldest, 'shop').map(({ name }) => name)
const at = (timeline: number, number: number) => segmentName({ timeline, number })

it('everything that is named for an older segment goes, the oldest first; it and histories stay', () => {
  const names = [at(1, 7), `${at(1, 5)}.00000028.backup`, at(1, 5), at(1, 6), `${at(1, 4)}.partial`, '00000002.history', 'notes']
  expect(going(names, at(1, 6))).toEqual([`${at(1, 4)}.partial`, `${at(1, 5)}.00000028.backup`, at(1, 5)])
  expect(going(names, at(1, 4 + 1))).toEqual([`${at(1, 4)}.partial`])
})

it('a base backup is named by its own file', () => {
  expect(going([at(1, 5), at(1, 6)], `${at(1, 6)}.00000028.backup`)).toEqual([at(1, 5)])
})

it('dead ends of older timelines go; a younger timeline that left before keeps its beginning', () => {
  const names = [at(1, 254), at(1, 255), at(1, 256), at(1, 257), at(2, 255), at(2, 256), at(3, 255)]
  expect(going(names, at(2, 256))).toEqual([at(1, 254), at(1, 255), at(2, 255)])
})

it('what does not stand there, and what names no segment, is refused: a slip would take everything', () => {
  const names = [at(1, 5), at(1, 6)]
  expect(() => going(names, at(1, 9))).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
  for (const name of ['00000001.history', 'notes', '5', at(1, 10).toLowerCase()])
    expect(() => going(names, name)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }))
})

it('whatever is there, each timeline keeps its end without a gap, and all that is as new as the oldest', () => {
  const position = fc.record({ timeline: fc.integer({ min: 1, max: 4 }), number: fc.integer({ min: 250, max: 262 }) })
  const archive = fc.uniqueArray(position, { minLength: 1, selector: ({ timeline, number }) => at(timeline, number) })
  fc.assert(
    fc.property(archive, fc.nat(), (all, which) => {
      const oldest = all[which % all.length] as (typeof all)[number]
      const gone = going(
        all.map(({ timeline, number }) => at(timeline, number)),
        at(oldest.timeline, oldest.number),
      )
      const goes = all.map((each) => ({ ...each, gone: gone.includes(at(each.timeline, each.number)) }))
      for (const one of goes.filter((each) => each.gone)) {
        expect(one.number).toBeLessThan(oldest.number)
        expect(one.timeline).toBeLessThanOrEqual(oldest.timeline)
        expect(goes.filter(({ timeline, number, gone: also }) => timeline === one.timeline && number < one.number && !also)).toEqual([])
      }
    }),
  )
})
