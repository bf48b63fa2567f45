/** Versions of servers, programs and modules, compared. */
import { HoldfastError } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import type { Client } from './connect.ts'

/** The module that keeps graphs, by the name it gives itself. */
export const GRAPH_MODULE = 'graph'

/** `7.0.15`, as the program says. */
export async function programVersion(program: string, signal?: AbortSignal): Promise<string> {
  const { stdout } = await run({ program, args: ['--version'] }, { signal })
  const found = /(\d+\.\d+(?:\.\d+)*)/.exec(stdout)?.[1]
  if (!found) throw new HoldfastError('VERSION_UNFIT', `${program} does not say its version: ${stdout.trim()}`, { object: program })
  return found
}

/** Below zero where `a` is the older. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number))
  for (let index = 0; index < 3; index += 1) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** `7.0` of `7.0.15`: what has the same reads and writes the same files. */
export const series = (version: string): string => version.split('.').slice(0, 2).join('.')

/** Name to version of the loaded modules, without those that the server has built in. */
export async function modulesOf(client: Client): Promise<Record<string, string>> {
  const rows = ((await client.call('MODULE', 'LIST')) as unknown[][]).map((row) => {
    const field = (name: string) => String(row[row.indexOf(name) + 1] ?? '')
    return { name: field('name'), version: field('ver'), path: field('path') }
  })
  return Object.fromEntries(rows.filter(({ path }) => path !== '').map(({ name, version }) => [name, version]))
}
