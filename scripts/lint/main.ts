/** Reads every source of the tree and says which imports go against the arrows. Exit code 1 where one does. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { targetOf, violation } from './arrows.ts'
import { cyclesIn } from './cycles.ts'
import { importsOf } from './imports.ts'

const FOLDERS = ['src', 'workflows', 'activities', 'workers', 'scripts', 'test']

/** A line for each finding in the tree at `root`. */
export function lintArrows(root: string): string[] {
  const findings: string[] = []
  const graph = new Map<string, string[]>()
  for (const file of globSync(`{${FOLDERS.join(',')}}/**/*.ts`, { cwd: root }).sort()) {
    const imports = importsOf(readFileSync(join(root, file), 'utf8'))
    for (const found of imports) {
      const wrong = violation(file, found)
      if (wrong) findings.push(`${file}:${found.line}: ${wrong}`)
    }
    graph.set(
      file,
      imports.flatMap((found) => (found.typeOnly ? [] : (targetOf(file, found.specifier) ?? []))),
    )
  }
  return [...findings, ...cyclesIn(graph).map((way) => `${way[0]}: imports itself: ${way.join(' → ')}`)]
}

if (import.meta.main) {
  const findings = lintArrows(join(import.meta.dirname, '..', '..'))
  for (const line of findings) process.stdout.write(`${line}\n`)
  process.exitCode = findings.length ? 1 : 0
}
