/** Histories of recovery points, and rules for them, in every combination: for tests of what holds whatever these are. */
import fc from 'fast-check'
import { POINT_KINDS, pointId } from '../../src/core/ids.ts'
import type { PointSummary } from '../../src/core/records.ts'
import type { KeepRules, RetentionRules } from '../../src/core/retention.ts'
import { failed, NOW, point, proved } from './retention.ts'

export const SOURCES = ['orders', 'users'] as const
type Proof = NonNullable<PointSummary['proof']>

/** Histories with chains, holds, failures and safety copies, in any order. */
export const histories = fc
  .array(
    fc.record({
      minutes: fc.integer({ min: 0, max: 3 * 365 * 24 * 60 }),
      kind: fc.constantFrom(...POINT_KINDS),
      verdict: fc.constantFrom('none', 'good', 'failed', 'listed'),
      held: fc.boolean(),
      parents: fc.array(fc.nat(60), { maxLength: 2 }),
      source: fc.constantFrom(...SOURCES),
      rare: fc.nat(9),
    }),
    { maxLength: 60 },
  )
  .map((drafts) => {
    const points = drafts.map((draft, index) =>
      point(draft.minutes / 1440, {
        kind: draft.kind,
        source: draft.source,
        id: `${pointId(new Date(NOW.getTime() - draft.minutes * 60_000), draft.kind)}_${index + 2}`,
        held: draft.held && draft.rare === 0,
        ...(draft.verdict === 'good'
          ? proved
          : draft.verdict === 'failed'
            ? failed
            : draft.verdict === 'listed'
              ? { proof: { depth: 'list', at: NOW.toISOString(), ok: true } as Proof }
              : {}),
      }),
    )
    return points.map((one, index) => ({
      ...one,
      parents: (drafts[index]?.parents ?? [])
        .flatMap((other) => points[other] ?? [])
        .filter((other) => other.source === one.source && other.createdAt < one.createdAt)
        .map(({ id }) => id),
    }))
  })

const days = (max: number) =>
  fc.option(
    fc.integer({ min: 1, max }).map((count) => `${count}d`),
    { nil: undefined },
  )
const count = (max: number) => fc.option(fc.nat(max), { nil: undefined })
const keepRules: fc.Arbitrary<KeepRules> = fc.record({
  keepLast: count(9),
  daily: count(9),
  weekly: count(9),
  monthly: count(9),
  yearly: count(4),
  keepWithin: days(400),
})
const kinds = POINT_KINDS.filter((kind) => kind !== 'pre_restore')

export const anyRules: fc.Arbitrary<RetentionRules> = fc
  .tuple(keepRules, fc.dictionary(fc.constantFrom(...kinds), keepRules, { maxKeys: 4 }), days(60))
  .map(([general, own, pitrWindow]) => ({ ...general, keepLast: 1 + (general.keepLast ?? 0), kinds: own, pitrWindow }))

/** The first rules and more: no number of them is less, and none is missing. */
export function withMore({ kinds: own = {}, pitrWindow, ...general }: RetentionRules, more: RetentionRules): RetentionRules {
  const added = Object.entries(own).map(([kind, rules]) => [kind, sum(rules, more.kinds?.[kind as keyof typeof own] ?? more)])
  return { ...sum(general, more), kinds: Object.fromEntries(added), pitrWindow: pitrWindow ?? more.pitrWindow }
}

function sum(one: KeepRules, other: KeepRules): KeepRules {
  const count = (name: 'keepLast' | 'daily' | 'weekly' | 'monthly' | 'yearly') => (one[name] ?? 0) + (other[name] ?? 0)
  const within = Number.parseInt(one.keepWithin ?? '0', 10) + Number.parseInt(other.keepWithin ?? '0', 10)
  return {
    keepLast: count('keepLast'),
    daily: count('daily'),
    weekly: count('weekly'),
    monthly: count('monthly'),
    yearly: count('yearly'),
    keepWithin: within > 0 ? `${within}d` : undefined,
  }
}
