/** Versions of servers, compared: what a newer one has written, an older one does not read. */
import { HoldfastError } from '../../core/errors.ts'
import { run } from '../../process/run.ts'

/** `2.15.2`, as the program says. */
export async function programVersion(program: string, signal?: AbortSignal): Promise<string> {
  const { stdout } = await run({ program, args: ['--version'] }, { signal })
  const found = /v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1]
  if (found) return found
  throw new HoldfastError('VERSION_UNFIT', `${program} does not say its version: ${stdout.trim()}`, { object: program })
}

/** By major and minor version: between those the format of a snapshot and the fields of a configuration change. */
export function isOlder(version: string, than: string): boolean {
  const [left, right] = [version, than].map((text) => text.split('.').map((part) => Number.parseInt(part, 10)))
  const [major, minor] = [0, 1].map((index) => (left?.[index] ?? 0) - (right?.[index] ?? 0)) as [number, number]
  return major < 0 || (major === 0 && minor < 0)
}

/** From here on a snapshot holds the messages of its moment and no later ones, and streams in memory have snapshots too. */
export const EXACT_SNAPSHOTS = '2.15'
/** From here on a sourcing stream notices that its origin was made again. */
export const KNOWS_ORIGINS = '2.15'
/** From here on streams have metadata, in which a restore says what it has done. */
export const OLDEST = '2.10'
