/** Backups from before Holdfast become points of a source, each as it would have been then; where they are, nothing changes. */
import { proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { AdoptActivities, Found } from '../activities/adopt.ts'
import type { BackupActivities } from '../activities/backup.ts'
import type { AdoptInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { parseInput } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { compensation, control, dataOn } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { createSaga, undoing } from './lib/saga.ts'
import { createView, type View } from './lib/view.ts'

export type Adopted = Pick<Found['backups'][number], 'from' | 'kind' | 'createdAt' | 'sizeBytes' | 'warnings'> & {
  /** Absent in a dry run. */
  id?: string
}
export interface AdoptResult extends Omit<Found, 'backups'> {
  source: string
  dryRun: boolean
  adopted: Adopted[]
}

const light = proxyActivities<BackupActivities>(control)
const undo = proxyActivities<BackupActivities>(compensation)

export async function adopt(given: AdoptInput): Promise<AdoptResult & Ended> {
  const input = parseInput('adopt', given)
  const { source, requestedBy } = input
  const view = createView({ source, kind: 'adopt' })
  const lock = { work: 'backup', wait: false, what: `adoption into ${source}` } as const
  return recorded(
    view,
    { workflow: 'adopt', source, requestedBy },
    () => withLocks([`source/${source}`], lock, () => adoptAll(input, view)),
    ({ more, brokenCount }) => (more + brokenCount > 0 ? 'degraded' : 'success'),
  )
}

async function adoptAll({ source, from, dryRun }: ReturnType<typeof parseInput<'adopt'>>, view: View): Promise<AdoptResult> {
  view.phase('look')
  view.step('look', 'running')
  const { host } = await light.resolveSource({ source, repositoryOnly: true })
  const heavy = proxyActivities<AdoptActivities>(dataOn(host))
  const { backups, ...found } = await heavy.findBackups.executeWithOptions({ summary: from.join(', ') || source }, [{ source, from }])
  view.step('look', 'done', `${backups.length} to adopt, ${found.already} adopted before, ${found.leftCount} left alone`)
  const adopted: Adopted[] = []
  if (!dryRun) view.phase('adopt')
  for (const backup of backups) {
    const { from: place, kind, createdAt, sizeBytes, warnings } = backup
    const id = dryRun ? undefined : await adoptOne({ source, backup, heavy }, view)
    adopted.push({ ...(id !== undefined && { id }), from: place, kind, createdAt, sizeBytes, warnings })
  }
  return { source, dryRun, adopted, ...found }
}

interface Taking {
  source: string
  backup: Found['backups'][number]
  heavy: Pick<AdoptActivities, 'adoptBackup'>
}

async function adoptOne({ source, backup, heavy }: Taking, view: View): Promise<string> {
  const { kind, createdAt, tags, description, schemaVersion } = backup
  const saga = createSaga((name) => view.step(name, 'undone'))
  return undoing(saga, async () => {
    const { id } = await light.reserveId({ source, kind, at: createdAt })
    view.step(id, 'running', backup.from)
    saga.undoBy('discard', () => undo.discard({ source, id }))
    const { attempt, digest } = await heavy.adoptBackup({ source, id, backup })
    await light.checksum({ source, id, attempt, digest })
    const { workflowId, runId } = workflowInfo()
    const words = { tags, description, ...(schemaVersion !== undefined && { schemaVersion }) }
    await light.publish({ source, id, kind, attempt, digest, workflowId, runId, ...words })
    view.step(id, 'done', backup.from)
    return id
  })
}
