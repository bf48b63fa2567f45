/** Recovery points in a second repository: what is selected and missing is brought, looked at there, and kept by the rules of there. */
import { executeChild, isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { CopyActivities } from '../activities/copies.ts'
import type { CopyPointsInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { parseInput, rootFailure } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { type ArchivedPoint, awaitReadable } from './lib/thaw.ts'
import { createView, type View } from './lib/view.ts'

export interface CopiesMade {
  to: string
  copied: string[]
  /** Of the bytes that were sent. */
  bytes: number
  /** Looked at there by this run. */
  proved: number
  passedOver: { id: string; why: string }[]
  /** Of the log that the engine ships, by its archives. */
  logs?: { archive: string; segments: number; bytes: number }[]
  /** So many more were passed over. */
  unnamed: number
}

export interface CopyReport {
  source: string
  copies: CopiesMade[]
  /** What is lacking; the next run tries it again. */
  warnings: string[]
}

type Input = ReturnType<typeof parseInput<'copyPoints'>>
type Target = Awaited<ReturnType<CopyActivities['copyTargets']>>['targets'][number]
type Frozen = NonNullable<Awaited<ReturnType<CopyActivities['planCopies']>>['frozen']>[number]

const { resolveSource } = proxyActivities<BackupActivities>(control)
const { copyTargets } = proxyActivities<CopyActivities>(control)

export async function copyPoints(given: CopyPointsInput): Promise<CopyReport & Ended> {
  const input = parseInput('copyPoints', given)
  const { source } = input
  const view = createView({ source, kind: 'copy' })
  return recorded(view, { workflow: 'copyPoints', source }, () => copyTo(input, view), outcomeOf)
}

const outcomeOf = ({ warnings }: CopyReport) => (warnings.length > 0 ? 'degraded' : 'success')

async function copyTo({ source, to, thaw }: Input, view: View): Promise<CopyReport> {
  const { targets } = await copyTargets({ source, ...(to !== undefined && { to }) })
  const { host } = await resolveSource({ source, repositoryOnly: true })
  const report: CopyReport = { source, copies: [], warnings: [] }
  const failures: unknown[] = []
  const failed = ({ to }: Target, error: unknown) => {
    if (isCancellation(error)) throw error
    const { message } = rootFailure(error)
    view.step(to, 'failed', message)
    report.warnings.push(`${to}: ${message}`)
    failures.push(error)
  }
  const bringTo = async (target: Target, wait: boolean): Promise<Frozen[]> => {
    const lock = { work: 'copy', wait, what: `copies of ${source} to ${target.to}` } as const
    try {
      return await withLocks([`copies/${source}/${target.to}`], lock, () => bring({ source, target, host, thaw }, view, report))
    } catch (error) {
      failed(target, error)
      return []
    }
  }
  const frozen: { target: Target; points: Frozen[] }[] = []
  for (const target of targets) frozen.push({ target, points: await bringTo(target, false) })
  // Where nothing could even be begun there is nothing to be degraded.
  if (failures.length === targets.length) throw failures[0]
  const later = frozen.filter(({ points }) => points.length > 0)
  if (later.length === 0) return report
  try {
    await awaitReadable(view, eachOnce(source, later))
  } catch (error) {
    for (const { target } of later) failed(target, error)
    return report
  }
  for (const { target } of later) {
    const left = await bringTo(target, true)
    if (left.length > 0) report.warnings.push(`${target.to}: ${left.length} points cannot be read yet: holdfast copy ${source} --thaw`)
  }
  return report
}

/** Several repositories may lack the same point. */
function eachOnce(source: string, frozen: readonly { points: Frozen[] }[]): ArchivedPoint[] {
  const points = new Map(frozen.flatMap(({ points }) => points.map((point) => [point.id, { source, ...point }])))
  return [...points.values()]
}

interface Way {
  source: string
  target: Target
  host: string | undefined
  thaw: boolean
}

/** What can be read now; resolves with what has to be thawed before, where that was asked for. */
async function bring(way: Way, view: View, report: CopyReport): Promise<Frozen[]> {
  const { source, target, host, thaw } = way
  const { to } = target
  const place = { source, to }
  const heavy = proxyActivities<CopyActivities>(dataOn(host))
  const warn = (what: string) => {
    // The second round, after a thaw, meets what the first one met.
    if (!report.warnings.includes(`${to}: ${what}`)) report.warnings.push(`${to}: ${what}`)
  }
  view.phase(`copy to ${to}`)
  view.step(to, 'running')
  const planned = await heavy.planCopies.executeWithOptions({ summary: to }, [{ ...place, ...(thaw && { thaw }) }])
  const { points, unproved, passedOver, unnamed = 0, left, frozen = [] } = planned
  const made = madeIn(report, to)
  made.passedOver = passedOver
  made.unnamed = unnamed
  const copied: string[] = []
  for (const point of points) {
    try {
      const sent = await heavy.copyPoint.executeWithOptions({ summary: `${point.id} to ${to}` }, [{ ...place, ...point }])
      copied.push(point.id)
      made.copied.push(point.id)
      made.bytes += sent.bytes
      for (const problem of sent.problems) warn(problem)
      view.step(to, 'running', `${copied.length} of ${points.length}`)
    } catch (error) {
      if (isCancellation(error)) throw error
      warn(`${point.id} was not copied: ${rootFailure(error).message}`)
    }
  }
  if (target.log) await bringLogs(way, made, warn)
  // What is held has to be known there before retention asks for it.
  const { problems } = await heavy.bringNotes.executeWithOptions({ summary: to }, [place])
  for (const problem of problems) warn(problem)
  for (const id of [...copied, ...unproved]) if (await prove(way, id, warn)) made.proved += 1
  if (left > 0) warn(`${left} more wait for the next run: holdfast copy ${source} --to ${to}`)
  await prune(way, warn)
  await heavy.sweepCopies.executeWithOptions({ summary: to }, [place])
  view.step(to, 'done', `${made.copied.length} copied, ${made.proved} looked at there`)
  return frozen
}

/** A second round, after a thaw, goes on with the report of the first. */
function madeIn({ copies }: CopyReport, to: string): CopiesMade {
  const before = copies.find((made) => made.to === to)
  if (before) return before
  const made = { to, copied: [], bytes: 0, proved: 0, passedOver: [], unnamed: 0 }
  copies.push(made)
  return made
}

/** After the points, which say how much of it is wanted there. */
async function bringLogs({ source, target: { to }, host }: Way, made: CopiesMade, warn: (what: string) => void): Promise<void> {
  const { copyLogs } = proxyActivities<CopyActivities>(dataOn(host))
  try {
    const logs = await copyLogs.executeWithOptions({ summary: `log of ${source} to ${to}` }, [{ source, to }])
    const brought = logs.map(({ problems: _, ...log }) => log).filter(({ segments }) => segments > 0)
    made.logs = [...(made.logs ?? []), ...brought]
    for (const problem of logs.flatMap(({ problems = [] }) => problems)) warn(problem)
  } catch (error) {
    if (isCancellation(error)) throw error
    warn(`the log was not copied: ${rootFailure(error).message}`)
  }
}

/** A proof that failed stands there: the next run brings the point again. */
async function prove({ source, target: { to, verify } }: Way, id: string, warn: (what: string) => void): Promise<boolean> {
  try {
    await executeChild('verifyRestore', {
      workflowId: `${workflowInfo().workflowId}/${to}/${id}`,
      args: [{ source, recoveryPoint: id, depth: verify, repository: to }],
    })
    return true
  } catch (error) {
    if (isCancellation(error)) throw error
    warn(`the copy of ${id} is not sound: ${rootFailure(error).message}`)
    return false
  }
}

/** By the rules of there, which asks for the lock of the points: somebody may be restoring from a copy. */
async function prune({ source, target: { to } }: Way, warn: (what: string) => void): Promise<void> {
  try {
    await executeChild('retention', { workflowId: `${workflowInfo().workflowId}/${to}/retention`, args: [{ source, repository: to }] })
  } catch (error) {
    if (isCancellation(error)) throw error
    const { code, message } = rootFailure(error)
    if (code !== 'BUSY') warn(`retention: ${message}`)
  }
}
