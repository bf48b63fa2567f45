import { describe, expect, it } from 'vitest'
import { type CopyWish, chooseCopies } from '../../../src/core/copies.ts'
import type { PointSummary } from '../../../src/core/records.ts'
import { planRetention } from '../../../src/core/retention.ts'
import { failed, NONE, NOW, point, proved } from '../../support/retention.ts'

const choose = (here: PointSummary[], there: PointSummary[] = [], wish: Partial<CopyWish> = {}) =>
  chooseCopies(here, there, { rules: { ...NONE, keepWithin: '365d' }, most: 100, ...wish }, NOW)
const idsOf = (...args: Parameters<typeof choose>) => choose(...args).points.map(({ id }) => id)

describe('copies are made of', () => {
  it('all points that are not there yet, the newest first', () => {
    const here = [3, 2, 1].map((days) => point(days))
    expect(idsOf(here)).toEqual([here[2]?.id, here[1]?.id, here[0]?.id])
    expect(idsOf(here, [point(2)])).toEqual([here[2]?.id, here[0]?.id])
    expect(choose(here, here)).toEqual({ points: [], passedOver: [], unnamed: 0, left: 0 })
  })

  it('the kinds that are named; without any, all but what a restore replaced', () => {
    const here = [point(1), point(2, { kind: 'full' }), point(3, { kind: 'pre_restore' })]
    expect(idsOf(here)).toEqual([here[0]?.id, here[1]?.id])
    expect(idsOf(here, [], { kinds: ['full'] })).toEqual([here[1]?.id])
  })

  it('the newest only, where that is asked for: a weekly run leaves one of each week', () => {
    const there: PointSummary[] = []
    for (let week = 60; week >= 0; week--) {
      const here = Array.from({ length: 30 }, (_, days) => point(week * 7 + days))
      const { points } = choose(here, there, { newest: 1, rules: { ...NONE, keepWithin: '365d' } })
      expect(points).toHaveLength(1)
      there.push(...here.filter(({ id }) => points.some((one) => one.id === id)))
    }
    const { keep } = planRetention(there, { ...NONE, keepWithin: '365d' }, NOW, { healthy: true })
    expect(keep).toHaveLength(53)
  })

  it('nothing that retention there would take away again', () => {
    const here = Array.from({ length: 30 }, (_, days) => point(days))
    const rules = { ...NONE, keepLast: 2, weekly: 3 }
    const first = choose(here, [], { rules })
    const there = here.filter(({ id }) => first.points.some((one) => one.id === id))
    expect(there.map(({ id }) => id.slice(0, 8))).toEqual(['20260331', '20260330', '20260329', '20260322'])
    expect(planRetention(there, rules, NOW, { healthy: true }).delete).toEqual([])
    expect(choose(here, there, { rules }).points).toEqual([])
  })

  it('what they need, before them, also where it would not be copied by itself', () => {
    const full = point(9, { kind: 'full' })
    const first = point(8, { kind: 'incremental', parents: [full.id] })
    const second = point(1, { kind: 'incremental', parents: [full.id, first.id] })
    expect(idsOf([full, first, second], [], { newest: 1 })).toEqual([full.id, first.id, second.id])
    expect(idsOf([full, first, second], [full], { newest: 1 })).toEqual([first.id, second.id])
  })

  it('no point that something speaks against, which is told', () => {
    const broken = point(2, { kind: 'full', ...failed })
    const resting = point(1, { kind: 'incremental', parents: [broken.id] })
    const sound = point(3, proved)
    expect(choose([sound, broken, resting])).toEqual({
      points: [{ id: sound.id }],
      passedOver: [
        { id: resting.id, why: expect.stringContaining(`rests on ${broken.id}`) },
        { id: broken.id, why: expect.stringContaining('depth full FAILED') },
      ],
      unnamed: 0,
      left: 0,
    })
  })

  it('of these, only what would have been brought otherwise is told: at most 50 by name, and how many more', () => {
    const broken = Array.from({ length: 80 }, (_, days) => point(days, failed))
    const all = choose(broken)
    expect(all.passedOver.map(({ id }) => id)).toEqual(broken.slice(0, 50).map(({ id }) => id))
    expect(all.unnamed).toBe(30)
    const kept = choose(broken, [], { rules: { ...NONE, keepLast: 3 } })
    expect(kept.passedOver.map(({ id }) => id)).toEqual(broken.slice(0, 3).map(({ id }) => id))
    expect(kept.unnamed).toBe(0)
    const [newest, sound] = [point(0, failed), point(1)]
    expect(choose([newest, sound, ...broken.slice(2)], [], { newest: 1 }).passedOver).toMatchObject([{ id: newest.id }])
  })

  it('points whose copy was found damaged, again', () => {
    const [good, bad] = [point(1), point(2)]
    const damaged = { ...bad, proof: { depth: 'read' as const, at: NOW.toISOString(), ok: false } }
    expect(choose([good, bad], [good, damaged]).points).toEqual([{ id: bad.id, again: true }])
    expect(choose([good, bad], [good, { ...bad, ...failed }]).points).toEqual([])
  })

  it('no more than a run may bring: the rest waits for the next', () => {
    const here = [1, 2, 3, 4].map((days) => point(days))
    expect(choose(here, [], { most: 3 })).toMatchObject({ points: here.slice(0, 3).map(({ id }) => ({ id })), left: 1 })
  })
})
