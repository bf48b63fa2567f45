/** What a listing shows of a point, from its records. */
import { clears, depthOf, type Verdict } from '../core/proofs.ts'
import type { Hold, Manifest, PointSummary, Proof } from '../core/records.ts'

/** Proofs and holds oldest first. */
export function summarise(manifest: Manifest, proofs: Proof[], holds: Hold[]): PointSummary {
  const {
    source,
    id,
    kind,
    driver,
    createdAt,
    completedAt,
    sizeBytes,
    storedBytes,
    fileCount,
    tags,
    description,
    schemaVersion,
    parents,
    reference,
  } = manifest
  const proof = verdict(proofs)
  return {
    source,
    id,
    kind,
    driver,
    createdAt,
    completedAt,
    sizeBytes,
    storedBytes,
    fileCount,
    tags,
    parents,
    ...(description === undefined ? {} : { description }),
    ...(schemaVersion === undefined ? {} : { schemaVersion }),
    ...(reference === undefined ? {} : { label: reference.label }),
    held: holds.at(-1)?.held ?? false,
    ...(proof === undefined ? {} : { proof }),
    good: proof?.ok === true && (proof.depth === 'restore' || proof.depth === 'full'),
    signers: [...new Set([manifest, ...proofs, ...holds].flatMap(({ signature }) => signature?.keyId ?? []))].sort(),
  }
}

/**
 * The deepest that passed; but a newer failure takes all of them back, and stands until a pass of its depth or a deeper
 * one; a proof without assertions looked at nothing. Where several stand: the depth of the deepest and the time of the newest, which a pass has to outdo.
 */
function verdict(proofs: Proof[]): PointSummary['proof'] {
  const all = proofs
    .filter(({ assertions }) => assertions.length > 0)
    .map(({ depth, completedAt, ok }) => ({ depth, at: completedAt, ok }))
    .sort(byTime)
  const standing = all.filter((one) => !one.ok && !all.some((later) => clears(later, one)))
  const newest = standing.at(-1)
  if (newest) return { ...deepestOf(standing), at: newest.at }
  const passed = all.slice(all.findLastIndex(({ ok }) => !ok) + 1)
  return passed.length > 0 ? deepestOf(passed) : undefined
}

function deepestOf(verdicts: Verdict[]): Verdict {
  return verdicts.reduce((best, one) => (depthOf(one) >= depthOf(best) ? one : best))
}

function byTime(a: Verdict, b: Verdict): number {
  return Date.parse(a.at) - Date.parse(b.at)
}
