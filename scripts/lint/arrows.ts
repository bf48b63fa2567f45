/** Which folder may import which: the arrows of CONTRIBUTING.md, as data. */
import { builtinModules } from 'node:module'
import { posix } from 'node:path'
import type { Import } from './imports.ts'

interface Rule {
  /** Folder of the importing file; the longest that fits is the one that holds. */
  from: string
  /** Folders that it may import. */
  may: readonly string[]
  /** Folders of which it may import types only. */
  types?: readonly string[]
  /** Packages that have no place there. */
  never?: RegExp
}

const NODE = `node:|(?:${builtinModules.join('|')})$`
const NO_TEMPORAL = /^@temporalio\//

/** Free of Temporal, so that they can be used and tested without one. */
const ENGINES = ['drivers', 'storage', 'pipeline', 'process', 'catalog', 'failover', 'config', 'notify', 'wal']

export const RULES: readonly Rule[] = [
  { from: 'src/core', may: ['src/core'], never: new RegExp(`^(?:${NODE}|@temporalio/(?!common$))`) },
  { from: 'src/contract', may: ['src/contract', 'src/core'], never: new RegExp(`^(?:${NODE}|@temporalio/(?!common$|workflow$))`) },
  {
    from: 'workflows',
    may: ['workflows', 'src/contract', 'src/core'],
    types: ['activities'],
    never: new RegExp(`^(?:${NODE}|@temporalio/(?!common$|workflow$))`),
  },
  ...ENGINES.map((name) => ({ from: `src/${name}`, may: ['src'], never: NO_TEMPORAL })),
  { from: 'src', may: ['src'] },
  { from: 'activities', may: ['activities', 'src'] },
  { from: 'workers', may: ['workers', 'activities', 'workflows', 'src'] },
  // A script is a client too: results of workflows and activities have types.
  { from: 'scripts', may: ['scripts', 'src', 'workers'], types: ['workflows', 'activities'] },
]

/** What is wrong with one import of a file, or undefined. */
export function violation(file: string, { specifier, typeOnly }: Import): string | undefined {
  const rule = RULES.filter(({ from }) => within(file, from)).sort((a, b) => b.from.length - a.from.length)[0]
  if (!rule) return undefined
  const target = targetOf(file, specifier)
  if (target === undefined) return rule.never?.test(specifier) ? `${rule.from} never imports ${specifier}` : undefined
  if (rule.may.some((folder) => within(target, folder))) return undefined
  if (!rule.types?.some((folder) => within(target, folder))) return `${rule.from} may not import ${target}: only ${rule.may.join(', ')}`
  return typeOnly ? undefined : `${rule.from} may import only types of ${target}: write "import type"`
}

/** The imported file from the root of the tree, or undefined where it is a package. */
export function targetOf(file: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : undefined
}

function within(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`)
}
