/** Where in the file a key stands. */
import { type Document, isMap, isNode, isPair, isScalar, isSeq, type LineCounter, type Node } from 'yaml'
import type { Path } from './problem.ts'

/** Line of the key, or of the nearest one above it that is there. */
export function lineOf(document: Document, path: Path, lines: LineCounter): number {
  let here: unknown = document.contents
  let offset = startOf(here) ?? 0
  for (const word of path) {
    const found = child(here, word)
    if (!found) break
    offset = startOf(found.named) ?? offset
    here = found.value
  }
  return lines.linePos(offset).line
}

function child(node: unknown, word: string | number): { named: unknown; value: unknown } | undefined {
  if (isSeq(node) && typeof word === 'number')
    return node.items[word] === undefined ? undefined : { named: node.items[word], value: node.items[word] }
  if (!isMap(node)) return undefined
  const pair = node.items.find((item) => isPair(item) && String(isScalar(item.key) ? item.key.value : item.key) === String(word))
  return pair && { named: pair.key, value: pair.value }
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined
}
