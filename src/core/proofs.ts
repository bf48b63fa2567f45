/** Which proof outweighs which: a shallow look says nothing of what a deeper one found broken. */
import { PROOF_DEPTHS, type PointSummary, type ProofDepth } from './records.ts'

export interface Verdict {
  depth: ProofDepth
  at: string
  ok: boolean
}

export function depthOf({ depth }: { depth: ProofDepth }): number {
  return PROOF_DEPTHS.indexOf(depth)
}

/** A failure stands until something later passed at its depth or a deeper one. Of one moment, the failure stands. */
export function clears(later: Verdict, failure: Verdict): boolean {
  return later.ok && depthOf(later) >= depthOf(failure) && Date.parse(later.at) > Date.parse(failure.at)
}

/**
 * Points whose failed proof stands: nothing later of that depth or a deeper one passed, for any point of the source.
 * While there is one, the source is not healthy.
 */
export function standingFailures(points: readonly PointSummary[]): PointSummary[] {
  const proofs = points.flatMap(({ proof }) => proof ?? [])
  return points.filter(({ proof }) => proof && !proof.ok && !proofs.some((later) => clears(later, proof)))
}
