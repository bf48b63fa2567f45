/** One recovery point: preflight, capture, check what the store has, publish last; then a proof where asked, and retention. */
import { CancellationScope, executeChild, isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { BackupInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import type { CopyReport } from './copy-points.ts'
import { parseInput, rootFailure } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { compensation, control, dataOn, undoOn } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { createSaga } from './lib/saga.ts'
import { createView, type View } from './lib/view.ts'
import { inWindow } from './lib/windows.ts'

export interface BackupTaken {
  source: string
  id: string
  driver: string
  kind: string
  sizeBytes: number
  storedBytes: number
  seconds: number
  warnings: string[]
  proof?: { ok: boolean; depth: string }
  /** Repositories that have a copy of it now. */
  copies?: string[]
}

export type BackupResult = BackupTaken & Ended

const light = proxyActivities<BackupActivities>(control)
const undo = proxyActivities<BackupActivities>(compensation)

export async function backup(given: BackupInput): Promise<BackupResult> {
  const input = parseInput('backup', given)
  const view = createView({ source: input.source, kind: input.kind })
  const { source } = input
  const started = Date.now()
  return recorded(
    view,
    { workflow: 'backup', source },
    async () => {
      const lock = { work: 'backup', wait: false, what: `backup of ${source}` } as const
      const { result, autoVerify, copies } = await inWindow(source, view, () =>
        withLocks([`source/${source}`], lock, () => take(input, view)),
      )
      // What a restore is about to replace is kept as it is, good or not: a restore does not wait for its proof.
      const prove = input.prove ?? (autoVerify && input.kind !== 'pre_restore' ? 'full' : undefined)
      // Nor does whoever asked for it wait for copies of what is about to be replaced or changed.
      const then = { source, prove, copies: input.kind === 'pre_restore' || input.kind === 'pre_migration' ? [] : copies }
      await follow(then, view, result)
      result.seconds = (Date.now() - started) / 1000
      return result
    },
    outcomeOf,
  )
}

const outcomeOf = ({ warnings }: BackupTaken) => (warnings.length > 0 ? 'degraded' : 'success')

async function take(
  input: ReturnType<typeof parseInput<'backup'>>,
  view: View,
): Promise<{ result: BackupTaken; autoVerify: boolean; copies: string[] }> {
  const saga = createSaga((name) => view.step(name, 'undone'))
  const { source, kind } = input
  view.phase('capture')
  try {
    const { host, driver, staged, autoVerify = false, copies = [] } = await light.resolveSource({ source })
    const heavy = proxyActivities<BackupActivities>(dataOn(host))
    const { id } = await light.reserveId.executeWithOptions({ summary: `${source} ${kind}` }, [
      { source, kind, at: new Date(Date.now()).toISOString() },
    ])
    // After the catalogue's part, so that nothing publishes any more what the engine is about to remove.
    if (host !== undefined)
      saga.undoBy('discardCapture', () =>
        proxyActivities<BackupActivities>(undoOn(host)).discardCapture.executeWithOptions({ summary: id }, [{ source, id }]),
      )
    saga.undoBy('discard', () => undo.discard.executeWithOptions({ summary: `remove what there is of ${id}` }, [{ source, id }]))
    const step = async <T>(name: string, act: () => Promise<T>, say?: (result: T) => string): Promise<T> => {
      view.step(name, 'running')
      const result = await act()
      view.step(name, 'done', say?.(result))
      return result
    }
    const { crowded } = await step('preflight', () => heavy.preflight.executeWithOptions({ summary: source }, [{ source, kind }]))
    const uploaded = (c: Awaited<ReturnType<typeof heavy.dump>>) => `${c.storedBytes} bytes`
    const summary = `${driver} ${id}`
    const capture = async () => {
      if (!staged) return step('dump', () => heavy.dump.executeWithOptions({ summary }, [{ source, id, kind }]), uploaded)
      saga.undoBy('removeSnapshot', () =>
        proxyActivities<BackupActivities>(undoOn(host)).removeSnapshot.executeWithOptions({ summary: id }, [{ source, id }]),
      )
      const { snapshot } = await step('snapshot', () => heavy.snapshot.executeWithOptions({ summary }, [{ source, id, kind }]))
      return step('upload', () => heavy.upload.executeWithOptions({ summary }, [{ source, id, kind, snapshot }]), uploaded)
    }
    const captured = await capture()
    await step(
      'checksum',
      () => light.checksum.executeWithOptions({ summary: id }, [{ source, id, attempt: captured.attempt, digest: captured.digest }]),
      (c) => `${c.objects} objects`,
    )
    const { workflowId, runId } = workflowInfo()
    await step('publish', () =>
      light.publish.executeWithOptions({ summary: id }, [
        { ...input, id, attempt: captured.attempt, digest: captured.digest, workflowId, runId },
      ]),
    )
    const warnings = [...(crowded === undefined ? [] : [crowded]), ...captured.warnings]
    if (staged) {
      try {
        await step('removeSnapshot', () => heavy.removeSnapshot.executeWithOptions({ summary: id }, [{ source, id }]))
      } catch (error) {
        if (isCancellation(error)) throw error
        warnings.push(`what the engine left of ${id} was not removed: ${rootFailure(error).message}`)
      }
    }
    const { sizeBytes, storedBytes } = captured
    return { result: { source, id, driver, kind, sizeBytes, storedBytes, seconds: 0, warnings }, autoVerify, copies }
  } catch (error) {
    const failed = await saga.compensate()
    view.step('backup', 'failed', [rootFailure(error).message, ...failed.map((f) => `${f.name} failed: ${f.error}`)].join('; '))
    throw error
  }
}

/** The point is published: what goes wrong from here degrades the run and never un-publishes it. */
async function follow(input: Pick<BackupInput, 'source' | 'prove'> & { copies: string[] }, view: View, result: BackupTaken): Promise<void> {
  if (input.prove) {
    view.phase('proof')
    try {
      const proof = await executeChild('verifyRestore', {
        workflowId: `${workflowInfo().workflowId}/proof`,
        args: [{ source: input.source, recoveryPoint: result.id, depth: input.prove }],
      })
      result.proof = { ok: proof.ok, depth: proof.depth }
    } catch (error) {
      if (isCancellation(error)) throw error
      result.proof = { ok: false, depth: input.prove }
      result.warnings.push(`proof failed: ${rootFailure(error).message}`)
    }
  }
  for (const to of input.copies) await copyTo({ source: input.source, to }, view, result)
  view.phase('retention')
  await CancellationScope.nonCancellable(async () => {
    try {
      await executeChild('retention', { workflowId: `${workflowInfo().workflowId}/retention`, args: [{ source: input.source }] })
    } catch (error) {
      const { code, message } = rootFailure(error)
      if (code === 'BUSY') view.step('retention', 'skipped', `left to the next one: ${message}`)
      else result.warnings.push(`retention: ${message}`)
    }
  })
}

/** One that failed is made by the next run that copies. */
async function copyTo({ source, to }: { source: string; to: string }, view: View, result: BackupTaken): Promise<void> {
  view.phase('copies')
  try {
    const { copies, warnings } = await executeChild<(input: unknown) => Promise<CopyReport>>('copyPoints', {
      workflowId: `${workflowInfo().workflowId}/copies/${to}`,
      args: [{ source, to }],
    })
    if (copies.some(({ copied }) => copied.includes(result.id))) result.copies = [...(result.copies ?? []), to]
    result.warnings.push(...warnings.map((warning) => `copy to ${warning}`))
  } catch (error) {
    if (isCancellation(error)) throw error
    const { code, message } = rootFailure(error)
    if (code === 'BUSY') view.step('copies', 'skipped', `left to the run that copies already: ${message}`)
    else result.warnings.push(`copy to ${to}: ${message}`)
  }
}
