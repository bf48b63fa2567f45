/** A server against what a point says of its contents. */
import type { Assertion, Inventory, Manifest } from '../../core/records.ts'
import { contentsOf } from './facts.ts'
import type { Vault } from './server.ts'

const COMPARED = /^(mounts|auth methods|mount |auth |keys of )/

/** One assertion for each thing; digests are compared at depth `full`. */
export async function compareContents(
  vault: Vault,
  { inventory = {} }: Pick<Manifest, 'inventory'>,
  depth: 'restore' | 'full',
  onProgress: () => void,
): Promise<Assertion[]> {
  const { inventory: found } = await contentsOf(vault, onProgress)
  return Object.keys(inventory)
    .filter((name) => COMPARED.test(name))
    .map((name) => {
      const expected = shown(inventory[name], depth)
      const actual = found[name] ? shown(found[name], depth) : 'not there, or the token may not see it'
      return { name, ok: actual === expected, expected, actual }
    })
}

/** In order of the names: a manifest that was stored has an order of its own. */
function shown(facts: Inventory[string] = {}, depth: 'restore' | 'full'): string {
  return Object.entries(facts)
    .filter(([name]) => depth === 'full' || name !== 'digest')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
}
