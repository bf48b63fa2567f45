/** What retention kept and took away, in lines. */
import type { LogPlan } from '../core/log-expiry.ts'
import { bytes } from './output.ts'

export interface RetentionDone {
  source: string
  repository?: string
  keep: { id: string; reasons: string[] }[]
  delete: { id: string; reason: string }[]
  /** Still under object lock; held since the plan was made. */
  locked: string[]
  held: string[]
  /** Needed by backups of the engine that are of no recovery point. */
  needed?: { id: string; by: string[] }[]
  /** Their failed proofs keep everything. */
  failed?: string[]
  /** Points for another storage class; those that are old enough and stay; what was moved. */
  move?: { id: string; storageClass: string }[]
  stay?: { id: string; why: string }[]
  moved?: { objects: number; bytes: number; locked: number; unlike?: { objects: number; first: string } }
  /** WAL before the recoverable window. */
  archive?: { segments: number; bytes: number; left?: string }
  /** Logs that the engine ships with wal-push. */
  logs?: LogPlan[]
}

export function retentionLines(report: RetentionDone, dryRun: boolean): string[] {
  return [
    `${report.source}${report.repository ? ` in ${report.repository}` : ''}: ${report.keep.length} kept, ${report.delete.length} ${dryRun ? 'would go' : 'deleted'}`,
    ...(report.failed ?? []).map(
      (id) => `  FAILED ${id}  its proof: nothing goes until a proof of that depth passes: holdfast backup ${report.source} --prove full`,
    ),
    ...report.keep.map(({ id, reasons }) => `  keep   ${id}  ${reasons.join(', ')}`),
    ...report.delete.map(({ id, reason }) => `  delete ${id}  ${reason}`),
    ...report.locked.map((id) => `  locked ${id}`),
    ...report.held.map((id) => `  held   ${id}`),
    ...(report.needed ?? []).map(
      ({ id, by }) => `  needed ${id}  by ${by.join(', ')}, of no recovery point: pgbackrest expire --set=… removes one`,
    ),
    ...(report.move ?? []).map(
      ({ id, storageClass }) => `  ${dryRun ? 'move  ' : 'moved '} ${id}  ${dryRun ? 'would go ' : ''}to ${storageClass}`,
    ),
    ...(report.stay ?? []).map(({ id, why }) => `  stays  ${id}  out of the archive: ${why}`),
    ...(report.moved ? movedLines(report.moved) : []),
    ...(report.archive ? [archiveLine(report.archive, dryRun)] : []),
    ...(report.logs ?? []).map((log) => logLine(log, dryRun)),
  ]
}

function movedLines({ objects, bytes: size, locked, unlike }: NonNullable<RetentionDone['moved']>): string[] {
  const stay = locked > 0 ? `; ${locked} objects are locked and stay in their class until that ends` : ''
  const left = unlike ? [`  left   ${unlike.objects} objects that are not what was stored, prove their points: ${unlike.first}`] : []
  return [`  moved  ${objects} objects, ${bytes(size)}${stay}`, ...left]
}

function archiveLine({ segments, bytes: size, left }: NonNullable<RetentionDone['archive']>, dryRun: boolean): string {
  if (left !== undefined) return `  WAL    all of it stays: ${left}`
  return `  WAL    ${segments} segments, ${bytes(size)}, ${dryRun ? 'would go' : 'deleted'}`
}

function logLine(log: LogPlan, dryRun: boolean): string {
  const { archive, keep, segments, bytes: size, first, last, needed, left, locked } = log
  if (left !== undefined) return `  log    ${archive}: all of it stays: ${left}`
  const which = first && last ? `, ${first} to ${last}` : ''
  const stay = needed ? `; ${needed.segments} more older than ${keep} stay: ${needed.by} is replayed with them` : ''
  const gone =
    locked === undefined
      ? `${dryRun ? 'would go unless locked' : 'deleted'}${which}`
      : `LOCKED at ${locked}: of these${which}${which && ','} only what is before it went`
  return `  log    ${archive}: ${segments} segments, ${bytes(size)}, ${gone}${stay}`
}
