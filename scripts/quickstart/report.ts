/** The report of a run: what `--json FILE` writes, and what decides about the exit code. */

import type { SourceRow } from '../sources/story.ts'

export interface StepRow {
  name: string
  ok: boolean
  seconds: number
  detail: string
}
export interface Report {
  ok: boolean
  steps: StepRow[]
  backups: { source: string; id: string; driver: string; storedBytes: number; seconds: number }[]
  proofs: { source: string; id: string; depth: string; ok: boolean; assertions: number; seconds: number }[]
  pitr?: { target: string; stoppedAt: string; rowsExpected: number; rowsFound: number }
  failover?: {
    rtoSeconds: number
    phases: Record<string, number>
    acknowledged: number
    lost: number
    reportedLost: number
    unknown: number
    fenceProven: boolean
  }
  failback?: { method: string; seconds: number; acknowledged: number; lost: number }
  /** With --all: every other kind of source. */
  sources?: SourceRow[]
}

export const emptyReport = (): Report => ({ ok: false, steps: [], backups: [], proofs: [] })

/** What must be true of a whole run, each as a sentence; empty when all is well. */
export function shortcomings({ steps, pitr, failover, failback, backups, proofs, sources = [] }: Report): string[] {
  const wrong: string[] = []
  const must = (ok: boolean, sentence: string) => void (ok || wrong.push(sentence))
  for (const step of steps) must(step.ok, `${step.name}: ${step.detail}`)
  if (proofs.length > 0) must(proofs.every((p) => p.ok) && backups.length >= 2, 'two backups, each proof passed')
  if (pitr) must(pitr.rowsFound === pitr.rowsExpected && pitr.rowsFound > 0, `${pitr.rowsFound} of ${pitr.rowsExpected} rows are back`)
  if (failover) must(failover.fenceProven, 'the fence is proved')
  if (failover && failback) {
    const { lost, reportedLost, unknown } = failover
    must(lost > 0, 'the crash lost something, so that there is something to count')
    must(lost <= reportedLost && reportedLost <= lost + unknown, `lost ${lost} ≤ reported ${reportedLost} ≤ ${lost} + unknown ${unknown}`)
    must(failback.lost === 0, `the failback lost ${failback.lost} acknowledged writes`)
    must(failback.acknowledged >= 10_000, `${failback.acknowledged} writes were acknowledged during the failback`)
  }
  for (const { source, proof, restoredEqual } of sources) {
    must(proof, `the proof of ${source} passed`)
    must(restoredEqual, `${source} is back as it was at its backup`)
  }
  return wrong
}

export function table(steps: StepRow[]): string {
  const width = Math.max(...steps.map((step) => step.name.length), 4)
  return steps
    .map((step) => `${step.ok ? '✔' : '✘'} ${step.name.padEnd(width)} ${step.seconds.toFixed(1).padStart(7)} s  ${step.detail}`)
    .join('\n')
}
