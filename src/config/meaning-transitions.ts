/** What the shape of storage classes cannot say: points that have to be readable at once, and ways that lead nowhere. */
import { isArchive } from '../core/storage-classes.ts'
import type { Path } from './problem.ts'
import { seconds } from '../core/duration.ts'

type Fields = Record<string, unknown>
type Report = (path: Path, message: string) => void

/** A repository as it was written, and the sources that have points in it with their drivers. */
export function checkTransitions(
  { storageClass, transitions, thaw }: Fields,
  sources: readonly { name: string; driver: unknown }[],
  at: (...rest: Path) => Path,
  report: Report,
): void {
  if (typeof storageClass === 'string' && isArchive(storageClass))
    report(
      at('storageClass'),
      `${storageClass} cannot be read at once, as a proof of a new point has to: say in transitions when points go there`,
    )
  const rules = Array.isArray(transitions) ? (transitions as unknown[]).map((one) => (one ?? {}) as Fields) : []
  if (rules.length === 0) return
  for (const { name, driver } of sources)
    if (driver === 'postgres-physical')
      report(
        at('transitions'),
        `${name} is postgres-physical: its data lies in the repository of pgBackRest, of which every restore and backup breaks where objects are archived, and what lies here is WAL that it needs at once. Give ${name} a repository without transitions`,
      )
  for (const [index, rule] of rules.entries()) {
    if (!isArchive(rule['storageClass'] as string)) continue
    const later = rules.find((other) => other !== rule && overlap(other, rule) && ageOf(other) >= ageOf(rule))
    if (later)
      report(
        at('transitions', index),
        `what is in ${String(rule['storageClass'])} can be moved no further without being thawed, and ${String(later['storageClass'])} comes no earlier: leave one of them out`,
      )
    if (rule['storageClass'] === 'DEEP_ARCHIVE' && (thaw as Fields | undefined)?.['tier'] === 'Expedited')
      report(at('thaw', 'tier'), 'DEEP_ARCHIVE knows Standard (12 h) and Bulk (48 h) only')
  }
}

function ageOf({ after }: Fields): number {
  return typeof after === 'string' && /^\d+[smhd]$/.test(after) ? seconds(after) : Number.NaN
}

function overlap({ kinds: some }: Fields, { kinds: others }: Fields): boolean {
  if (!Array.isArray(some) || !Array.isArray(others)) return true
  return some.some((kind) => others.includes(kind))
}
