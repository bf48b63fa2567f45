/** A change of schema with a way back: a recovery point, the migration, its check; where one of them fails, the point in its place. */
import { CancellationScope, executeChild, isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { MigrateActivities } from '../activities/migrate.ts'
import type { RestoreReport } from '../activities/restore.ts'
import type { MigrateInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import type { BackupResult } from './backup.ts'
import { failure, parseInput, rootFailure } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { createView, type View } from './lib/view.ts'

export interface Migrated {
  source: string
  schemaVersion: string | number
  run: string
  /** Taken before: the way back. */
  recoveryPoint: string
  proof?: { ok: boolean; depth: string }
  /** The last that the migration printed. */
  said: string
  seconds: number
  warnings: string[]
}

const { resolveSource } = proxyActivities<BackupActivities>(control)

export async function migrate(given: MigrateInput): Promise<Migrated & Ended> {
  const input = parseInput('migrate', given)
  const { source, run, schemaVersion, requestedBy } = input
  const view = createView({ source, kind: 'migrate' })
  const whole = CancellationScope.current()
  const what = `migration ${run} of ${source} to ${schemaVersion}`
  return recorded(
    view,
    { workflow: 'migrate', source, requestedBy },
    () => withLocks([`source/${source}`], { work: 'migrate', wait: false, what }, () => change(input, view, whole)),
    ({ warnings }) => (warnings.length > 0 ? 'degraded' : 'success'),
  )
}

type Input = ReturnType<typeof parseInput<'migrate'>>

async function change(input: Input, view: View, whole: CancellationScope): Promise<Migrated> {
  const { source, run, schemaVersion } = input
  const started = Date.now()
  const migration = { source, run, schemaVersion }
  const { host } = await resolveSource({ source })
  const on = dataOn(host)
  const heavy = proxyActivities<MigrateActivities>(on)
  const once = proxyActivities<MigrateActivities>({ ...on, retry: { maximumAttempts: 1 } })
  const twice = proxyActivities<MigrateActivities>({ ...on, retry: { maximumAttempts: 2 } })
  const { checked } = await heavy.planMigration.executeWithOptions({ summary: run }, [migration])
  view.phase('backup')
  const point = await backUp(input)
  if (point.proof?.ok === false)
    throw failure('VERIFY_FAILED', `${source} was not migrated: the proof of ${point.id} failed, and with it the way back`, {
      object: point.id,
    })
  view.phase('migration')
  try {
    view.step('runMigration', 'running', run)
    const { said } = await once.runMigration.executeWithOptions({ summary: run }, [migration])
    view.step('runMigration', 'done')
    if (checked) {
      view.step('checkMigration', 'running')
      await twice.checkMigration.executeWithOptions({ summary: run }, [migration])
      view.step('checkMigration', 'done')
    }
    const { id: recoveryPoint, proof, warnings } = point
    return { ...migration, recoveryPoint, ...(proof && { proof }), said, seconds: (Date.now() - started) / 1000, warnings }
  } catch (error) {
    view.step('migration', 'failed', rootFailure(error).message)
    // Whoever takes the source from this run needs it now: there is no time to restore.
    if (isCancellation(error) && !whole.consideredCancelled) throw leftHalf(input, point.id)
    await CancellationScope.nonCancellable(() => goBack(input, view, { id: point.id, heavy, error }))
    throw isCancellation(error) ? error : failed(input, point.id, error)
  }
}

function backUp({ source, schemaVersion, from, description }: Input): Promise<BackupResult> {
  const about = description ?? `Pre-migration to v${schemaVersion}`
  return executeChild<(input: unknown) => Promise<BackupResult>>('backup', {
    workflowId: `${workflowInfo().workflowId}/backup`,
    args: [{ source, kind: 'pre_migration', description: about, ...(from !== undefined && { schemaVersion: from }) }],
  })
}

interface Back {
  id: string
  heavy: Pick<MigrateActivities, 'endMigration' | 'liveFingerprint'>
  error: unknown
}

async function goBack({ source, requestedBy }: Input, view: View, { id, heavy, error }: Back): Promise<void> {
  view.phase('restore')
  view.step('restore', 'running', id)
  try {
    await heavy.endMigration()
    const { fingerprint } = await heavy.liveFingerprint({ source })
    // What a migration left half done may not even open, and is kept by drivers that can: the point is the way back.
    const input = { source, recoveryPoint: id, target: 'live', confirm: fingerprint, requestedBy, safetyBackup: false }
    await executeChild<(input: unknown) => Promise<RestoreReport>>('restore', {
      workflowId: `${workflowInfo().workflowId}/restore`,
      args: [input],
    })
    view.step('restore', 'done', id)
  } catch (second) {
    view.step('restore', 'failed', rootFailure(second).message)
    throw failure('MIGRATION_FAILED', `${causeOf(error)}; and ${source} could NOT be restored from ${id}: ${messageOf(second)}`, {
      object: source,
      next: byHand(source, id),
      details: { recoveryPoint: id, restored: false },
    })
  }
}

/** What went wrong, without what would be next if it had been alone. */
const messageOf = (error: unknown): string => rootFailure(error).message.split('. Next: ')[0] ?? ''
const causeOf = (error: unknown): string => `the migration failed: ${messageOf(error)}`
const byHand = (source: string, id: string): string => `holdfast restore ${source} ${id} --live --no-safety-backup`

function failed({ source, run }: Input, id: string, error: unknown) {
  return failure('MIGRATION_FAILED', `${causeOf(error)}; ${source} is restored from ${id}`, {
    object: run,
    next: 'read what the migration said; the source is as it was before',
    details: { recoveryPoint: id, restored: true },
  })
}

function leftHalf({ source, run }: Input, id: string) {
  return failure('PREEMPTED', `the migration ${run} of ${source} was pre-empted and stopped: it is half done, and NOT restored`, {
    object: source,
    next: `${byHand(source, id)}, or run the migration again`,
    details: { recoveryPoint: id, restored: false },
  })
}
