/** What is checked of the sources before a test runs: types, style, import arrows. Each counts as one test. */
import { join } from 'node:path'
import { run } from '../../src/process/run.ts'

export interface Check {
  name: string
  ok: boolean
  output: string
}

const LINES = 100

/** Runs all of them, together. */
export function checkSources(root: string, signal: AbortSignal): Promise<Check[]> {
  const bin = (name: string) => join(root, 'node_modules', '.bin', name)
  const check = async (name: string, program: string, ...args: string[]): Promise<Check> => {
    const result = await run({ program, args, cwd: root }, { signal, accept: [0, 1, 2] })
    return { name, ok: result.exitCode === 0, output: clipped(`${result.stdout}${result.stderr}`.trim()) }
  }
  return Promise.all([
    check('types (tsc -p .)', bin('tsc'), '-p', '.', '--pretty', 'false'),
    check('style (biome check .)', bin('biome'), 'check', '.', '--colors=off', '--max-diagnostics=30'),
    check('import arrows (scripts/lint)', process.execPath, join(root, 'scripts', 'lint', 'main.ts')),
  ])
}

function clipped(output: string): string {
  const lines = output.split('\n')
  return lines.length > LINES ? [...lines.slice(0, LINES), `… and ${lines.length - LINES} more lines: npm run check`].join('\n') : output
}
