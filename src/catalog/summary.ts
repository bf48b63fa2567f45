/** What a listing shows of a point, from its records. */
import type { Hold, Manifest, PointSummary, Proof } from '../core/records.ts'
import { PROOF_DEPTHS } from '../core/records.ts'

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
  }
}

/** The deepest that passed; but a newer failure takes all of them back. */
function verdict(proofs: Proof[]): PointSummary['proof'] {
  const inTime = [...proofs].sort((a, b) => Date.parse(a.completedAt) - Date.parse(b.completedAt))
  const newest = inTime.at(-1)
  if (!newest) return undefined
  const afterFailure = inTime.slice(inTime.findLastIndex(({ ok }) => !ok) + 1)
  const deepest = newest.ok ? afterFailure.reduce((best, proof) => (depth(proof) >= depth(best) ? proof : best)) : newest
  return { depth: deepest.depth, at: deepest.completedAt, ok: deepest.ok }
}

function depth(proof: Proof): number {
  return PROOF_DEPTHS.indexOf(proof.depth)
}
