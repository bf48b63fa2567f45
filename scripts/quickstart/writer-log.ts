/** Reads what the writer was told, and compares it with what a database has. */
import { readFile } from 'node:fs/promises'
import { until } from '../../src/process/wait.ts'

export interface Told {
  acknowledged: Set<number>
  unknown: Set<number>
  failed: number
}

/** Everything between two moments, in milliseconds since the epoch. */
export async function readLog(file: string, from = 0, to = Number.MAX_SAFE_INTEGER): Promise<Told> {
  const told: Told = { acknowledged: new Set(), unknown: new Set(), failed: 0 }
  const text = await readFile(file, 'utf8').catch(() => '')
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    const [what, id, at] = line.split(' ')
    if (Number(at) < from || Number(at) > to) continue
    if (what === 'a') told.acknowledged.add(Number(id))
    else if (what === 'u') told.unknown.add(Number(id))
    else if (what === 'f') told.failed += 1
  }
  return told
}

/** Resolves once that many writes were acknowledged since the moment. */
export async function awaitWrites(file: string, since: number, count: number, timeoutMs = 120_000): Promise<number> {
  return until(
    async () => {
      const { acknowledged } = await readLog(file, since)
      return acknowledged.size >= count ? acknowledged.size : false
    },
    { timeoutMs, everyMs: 250, what: `${count} acknowledged writes` },
  )
}

/** The acknowledged ids that the table lacks. */
export function missing(acknowledged: Set<number>, present: Set<number>): number[] {
  return [...acknowledged].filter((id) => !present.has(id))
}
