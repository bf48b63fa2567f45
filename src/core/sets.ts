/** Recovery sets: the record of what was taken together, the order of its restore, and what holds between its points. Pure. */
import { z } from 'zod'
import { HoldfastError } from './errors.ts'
import { assertionSchema, type Assertion, type Manifest, signatureSchema } from './records.ts'

const when = z.iso.datetime({ offset: true })

export const setMemberSchema = z.looseObject({
  source: z.string(),
  repository: z.string(),
  required: z.boolean(),
  /** Members that are restored before it. */
  after: z.array(z.string()),
  /** Where the source stood at the barrier, in its own words: what was there then is in the point. */
  barrier: z.record(z.string(), z.string()),
  /** Absent where its backup failed; then `problem` says why. */
  id: z.string().optional(),
  problem: z.string().optional(),
})
export type SetMember = z.infer<typeof setMemberSchema>

export const setRecordSchema = z.looseObject({
  format: z.literal('holdfast/v1'),
  type: z.literal('set'),
  set: z.string(),
  id: z.string(),
  /** The moment of the barrier: every member's point has what it held then. */
  createdAt: when,
  completedAt: when,
  /** Every required member has a point. */
  complete: z.boolean(),
  /** In the order of a restore. */
  members: z.array(setMemberSchema),
  checks: z.array(assertionSchema),
  workflowId: z.string(),
  runId: z.string(),
  signature: signatureSchema.optional(),
})
export type SetRecord = z.infer<typeof setRecordSchema>

/** Stands for the fingerprint of a member whose points go over no live system: it is brought back beside, and nothing is replaced. */
export const BESIDE = 'beside'

export interface Ordered {
  name: string
  after: readonly string[]
}

/** Members so that each comes after those that it names; of equals the one that was listed first. Throws CONFIG_INVALID for a circle. */
export function inOrder<T extends Ordered>(members: readonly T[]): T[] {
  const open = [...members]
  const done: T[] = []
  while (open.length > 0) {
    const at = open.findIndex(({ after }) => after.every((name) => done.some((one) => one.name === name)))
    const [next] = at < 0 ? [] : open.splice(at, 1)
    if (!next) {
      const names = open.map(({ name }) => name)
      throw new HoldfastError('CONFIG_INVALID', `${names.join(', ')} wait for each other, or for what is no member of the set`, {
        object: names[0] ?? '',
      })
    }
    done.push(next)
  }
  return done
}

export interface Fact {
  source: string
  item: string
  fact: string
}
export interface SetCheck {
  name: string
  left: Fact
  is: '=' | '<=' | '>='
  right: Fact
}

/** What a manifest says of one of its tables or entries; undefined where it says nothing. */
export function factOf({ content, inventory }: Pick<Manifest, 'content' | 'inventory'>, { item, fact }: Fact): string | number | undefined {
  const table = content?.tables[item]
  return table && fact === 'rows' ? table.rows : inventory?.[item]?.[fact]
}

/** A check whose facts are not known does not hold: nobody has looked. */
export function judgeCheck({ name, left, is, right }: SetCheck, points: ReadonlyMap<string, Manifest>): Assertion {
  const known = (fact: Fact) => {
    const manifest = points.get(fact.source)
    return manifest && factOf(manifest, fact)
  }
  const [a, b] = [known(left), known(right)]
  const ok = a !== undefined && b !== undefined && compare(a, b, is)
  const say = (fact: Fact, value: string | number | undefined) => `${fact.source} ${fact.item} ${fact.fact} ${value ?? 'not known'}`
  return { name, ok, expected: `${left.source} ${left.item} ${left.fact} ${is} ${say(right, b)}`, actual: say(left, a) }
}

function compare(a: string | number, b: string | number, is: SetCheck['is']): boolean {
  if (is === '=') return String(a) === String(b)
  const [left, right] = [Number(a), Number(b)]
  if (Number.isNaN(left) || Number.isNaN(right)) return false
  return is === '<=' ? left <= right : left >= right
}
