/** What has to be true of every source: backed up and proved, lost, and back as it was at the moment of the backup. */
import { ApplicationFailure } from '@temporalio/common'
import type { BackupResult } from '../../workflows/backup.ts'
import type { SampleSource } from './sample.ts'

export interface SourceRow {
  source: string
  driver: string
  recoveryPoint: string
  /** A restore into a scratch instance was compared with what was captured. */
  proof: boolean
  /** After the loss and the restore over it, the contents are those of the moment of the backup. */
  restoredEqual: boolean
  seconds: number
}

/** Runs a workflow to its end, as an operator would. */
export type Run = <T>(type: string, input: object) => Promise<T>

export async function tellStory(run: Run, source: string, sample: SampleSource): Promise<SourceRow> {
  const started = Date.now()
  const before = await sample.contents()
  const { id, proof } = await run<BackupResult>('backup', { source, description: 'before the loss', prove: 'full' })
  await sample.change()
  await sample.destroy()
  if ((await sample.contents()) === before) throw new Error(`${source}: what was destroyed is still there`)
  const restore = { source, recoveryPoint: id, target: 'live', requestedBy: 'quickstart' }
  await run('restore', { ...restore, confirm: await fingerprintOf(run, restore) })
  const restoredEqual = (await sample.contents()) === before
  const seconds = (Date.now() - started) / 1000
  return { source, driver: sample.driver, recoveryPoint: id, proof: proof?.ok === true, restoredEqual, seconds }
}

/** A restore over a live target that was not confirmed is refused, and says what it would have replaced. */
async function fingerprintOf(run: Run, input: { source: string }): Promise<string> {
  const failure = await run('restore', input).then(
    () => undefined,
    (error: unknown) => error,
  )
  for (let at = failure; at instanceof Error; at = at.cause as Error) {
    const [details] = at instanceof ApplicationFailure ? (at.details ?? []) : []
    const { fingerprint } = (details as { fingerprint?: string } | undefined) ?? {}
    if (fingerprint) return fingerprint
  }
  throw new Error(`${input.source}: a restore that nobody confirmed was not refused with a fingerprint`, { cause: failure })
}
