/** The imports of a TypeScript source, each with what it means when Node strips the types. */
import { type ModuleItem, parseSync } from '@swc/core'

export interface Import {
  /** As written: `../src/core/errors.ts`, `node:fs`, `zod`. */
  specifier: string
  line: number
  /** True for `import type` and `export type` only: `import { type A }` still loads the module. */
  typeOnly: boolean
}

/** Static and dynamic imports and re-exports, in the order of the source. */
export function importsOf(source: string): Import[] {
  const module = parseSync(source, { syntax: 'typescript', target: 'esnext' })
  const found = [...module.body.flatMap(declared), ...dynamic(module)]
  return found.map(({ specifier, typeOnly }) => ({ specifier, typeOnly, line: lineOf(source, specifier) }))
}

type Found = Omit<Import, 'line'>

function declared(item: ModuleItem): Found[] {
  if (item.type === 'ImportDeclaration') return [{ specifier: item.source.value, typeOnly: item.typeOnly }]
  if (item.type === 'ExportAllDeclaration')
    return [{ specifier: item.source.value, typeOnly: 'typeOnly' in item && item.typeOnly === true }]
  if (item.type === 'ExportNamedDeclaration' && item.source) return [{ specifier: item.source.value, typeOnly: item.typeOnly === true }]
  return []
}

/** `import('…')` wherever it stands; `import('…')` in a type is another kind of node. */
function dynamic(node: unknown): Found[] {
  if (Array.isArray(node)) return node.flatMap(dynamic)
  if (typeof node !== 'object' || node === null) return []
  const {
    type,
    callee,
    arguments: args,
  } = node as { type?: string; callee?: { type?: string }; arguments?: { expression: { type: string; value?: string } }[] }
  const first = args?.[0]?.expression
  const own =
    type === 'CallExpression' && callee?.type === 'Import' && first?.type === 'StringLiteral'
      ? [{ specifier: first.value ?? '', typeOnly: false }]
      : []
  return [...own, ...Object.values(node).flatMap(dynamic)]
}

function lineOf(source: string, specifier: string): number {
  const at = Math.max(source.indexOf(`'${specifier}'`), source.indexOf(`"${specifier}"`))
  return source.slice(0, Math.max(at, 0)).split('\n').length
}
