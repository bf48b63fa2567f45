import { describe, expect, it } from 'vitest'
import { chooseCopies } from '../../../src/core/copies.ts'
import type { PointSummary } from '../../../src/core/records.ts'
import { archiveOf, planTransitions, type Transition } from '../../../src/core/transitions.ts'
import { NONE, NOW, point, proved } from '../../support/retention.ts'

const WEEKLY: Transition[] = [
  { after: '30d', storageClass: 'STANDARD_IA' },
  { after: '90d', storageClass: 'GLACIER' },
]
const plan = (points: PointSummary[], rules = WEEKLY, healthy = true) => planTransitions(points, rules, NOW, { healthy })
const movesOf = (...args: Parameters<typeof plan>) => plan(...args).move.map(({ id, storageClass }) => [id, storageClass])

describe('a point goes into another storage class', () => {
  it('by the rule of its age, and not again once all of it is there', () => {
    const [old, middle, young] = [point(100), point(40), point(1)]
    expect(movesOf([old, middle, young])).toEqual([
      [middle.id, 'STANDARD_IA'],
      [old.id, 'GLACIER'],
    ])
    const there = { ...old, storageClasses: ['GLACIER'] }
    expect(movesOf([there, { ...middle, storageClasses: ['STANDARD_IA'] }, young])).toEqual([])
    const half = { ...old, storageClasses: ['GLACIER', 'STANDARD_IA'] }
    expect(movesOf([half, young])).toEqual([[old.id, 'GLACIER']])
  })

  it('of the kinds that a rule names; without rules none does', () => {
    const [full, other, young] = [point(100, { kind: 'full' }), point(101), point(1)]
    const newer = point(2, { kind: 'full' })
    expect(movesOf([full, newer, other, young], [{ after: '90d', storageClass: 'GLACIER', kinds: ['full'] }])).toEqual([
      [full.id, 'GLACIER'],
    ])
    expect(plan([full, other, young], [])).toEqual({ move: [], stay: [] })
  })

  it('and from one archive into no other: it would have to be thawed first', () => {
    const rules: Transition[] = [{ after: '90d', storageClass: 'DEEP_ARCHIVE' }]
    expect(movesOf([point(100, { storageClasses: ['GLACIER'] }), point(1)], rules)).toEqual([])
  })
})

describe('out of an archive stays', () => {
  it('the newest point of each kind, and the last good one', () => {
    const [good, newest, manual] = [point(120, proved), point(95), point(200, { kind: 'manual' })]
    expect(plan([good, newest, manual, point(300)])).toEqual({
      move: [{ id: point(300).id, storageClass: 'GLACIER' }],
      stay: [
        { id: newest.id, why: 'it is the newest of kind scheduled' },
        { id: good.id, why: 'it is the last good one' },
        { id: manual.id, why: 'it is the newest of kind manual' },
      ],
    })
  })

  it('what a point needs that stays; a class that can be read at once takes it', () => {
    const base = point(200)
    const young = point(1, { parents: [base.id] })
    expect(plan([base, young])).toEqual({ move: [], stay: [{ id: base.id, why: `${young.id} needs it` }] })
    expect(movesOf([base, young], [{ after: '90d', storageClass: 'GLACIER_IR' }])).toEqual([[base.id, 'GLACIER_IR']])
    const old = point(150, { parents: [base.id] })
    expect(movesOf([base, old, point(1)])).toEqual([
      [old.id, 'GLACIER'],
      [base.id, 'GLACIER'],
    ])
  })

  it('all of a source that has a failed proof', () => {
    const old = point(100)
    expect(plan([old, point(1)], WEEKLY, false)).toEqual({ move: [], stay: [{ id: old.id, why: 'a failed proof of the source stands' }] })
  })
})

describe('a point that has to be thawed', () => {
  it('is one whose own artifacts are in an archive, or those of a point that it needs', () => {
    const base = point(200, { storageClasses: ['GLACIER', 'STANDARD'] })
    const next = point(150, { parents: [base.id] })
    const infrequent = point(40, { storageClasses: ['STANDARD_IA'] })
    expect([base, next, infrequent].map((one) => archiveOf(one, [base, next, infrequent]))).toEqual(['GLACIER', 'GLACIER', undefined])
  })

  it('is not copied as it is, and the run says so; where somebody has thawed it, it is', () => {
    const [cold, warm] = [point(100, { storageClasses: ['DEEP_ARCHIVE'] }), point(1)]
    const { points, passedOver } = chooseCopies([cold, warm], [], { rules: { ...NONE, keepWithin: '365d' }, most: 9 }, NOW)
    expect(points).toEqual([{ id: warm.id }])
    expect(passedOver).toEqual([{ id: cold.id, why: expect.stringContaining('it is in DEEP_ARCHIVE: holdfast copy --thaw') }])
    const asked = chooseCopies([cold, warm], [], { rules: { ...NONE, keepWithin: '365d' }, most: 9, thawed: new Set([cold.id]) }, NOW)
    expect(asked).toMatchObject({ points: [{ id: warm.id }, { id: cold.id }], passedOver: [] })
  })
})
