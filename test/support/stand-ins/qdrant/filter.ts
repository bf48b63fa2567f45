/** The part of Qdrant's filters that a check of a backup needs: ids and exact values. */
import { unknownHere } from './errors.ts'
import type { Point } from './collection.ts'

interface Condition {
  has_id?: unknown[]
  key?: string
  match?: { value?: unknown }
}
export interface Filter {
  must?: Condition[] | Condition
  must_not?: Condition[] | Condition
  should?: Condition[] | Condition
}

const listOf = (conditions: Condition[] | Condition | undefined): Condition[] => (conditions ? [conditions].flat() : [])

export function matches(point: Point, filter: Filter | undefined | null): boolean {
  if (!filter) return true
  const holds = (condition: Condition) => meets(point, condition)
  const should = listOf(filter.should)
  return listOf(filter.must).every(holds) && !listOf(filter.must_not).some(holds) && (should.length === 0 || should.some(holds))
}

function meets(point: Point, condition: Condition): boolean {
  if (condition.has_id) return condition.has_id.includes(point.id)
  if (!condition.key || condition.match?.value === undefined) throw unknownHere(`the filter ${JSON.stringify(condition)}`)
  const value = valueAt(point.payload, condition.key)
  return Array.isArray(value) ? value.includes(condition.match.value) : value === condition.match.value
}

export function valueAt(payload: Record<string, unknown>, key: string): unknown {
  return key.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], payload)
}
