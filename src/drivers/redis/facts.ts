/** The inventory of a point, as names and comparisons. */
import { blake3 } from '@napi-rs/blake-hash'
import type { Assertion, Inventory } from '../../core/records.ts'

export interface GraphName {
  db: number
  name: string
}

/** How a graph is called in an inventory. */
export const entryOf = ({ db, name }: GraphName): string => (db === 0 ? `graph ${name}` : `graph ${name} of db ${db}`)

/** The graphs of an inventory. */
export function graphsIn(inventory: Inventory = {}): GraphName[] {
  return Object.entries(inventory)
    .filter(([entry]) => entry.startsWith('graph '))
    .map(([entry, { db }]) => ({
      db: Number(db),
      name: entry.slice('graph '.length, Number(db) === 0 ? undefined : -` of db ${db}`.length),
    }))
}

export const digestOf = (lines: readonly string[]): string => blake3(lines.join('\n')).toString('hex')

/** Entry by entry; of each only what both looks were deep enough to see. */
export function compareInventories(expected: Inventory, actual: Inventory): Assertion[] {
  const names = [...new Set([...Object.keys(expected), ...Object.keys(actual)])].sort()
  return names.map((name) => {
    const [left, right] = [expected[name], actual[name]]
    const fields = [...new Set([...Object.keys(left ?? {}), ...Object.keys(right ?? {})])].filter(
      (field) => !SHALLOW.includes(field) || (left?.[field] !== undefined && right?.[field] !== undefined),
    )
    const words = (facts: Inventory[string] | undefined): string =>
      facts ? fields.map((field) => `${field} ${facts[field] ?? 0}`).join(', ') || 'there' : 'nothing'
    return { name, ok: words(left) === words(right), expected: words(left), actual: words(right) }
  })
}

/** Known to a look in full only. */
const SHALLOW: readonly string[] = ['digest']
