/** Which proof outweighs which: a shallow look says nothing of what a deeper one found broken. */
import { PROOF_DEPTHS, type ProofDepth } from './records.ts'

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
