/** Asks a source often whether enough was written for another point; small and without a record where it was not. */
import { executeChild, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { BackupResult } from './backup.ts'
import { parseInput } from './lib/failure.ts'
import { control, dataOn } from './lib/options.ts'

const { resolveSource } = proxyActivities<BackupActivities>(control)

export async function backupWhenDue(given: unknown): Promise<{ due: boolean; detail: string; backup?: string }> {
  const { source, kind } = parseInput('backupWhenDue', given)
  const { host } = await resolveSource({ source })
  const { isDue } = proxyActivities<BackupActivities>(dataOn(host))
  const { due, detail } = await isDue.executeWithOptions({ summary: source }, [{ source }])
  if (!due) return { due, detail }
  const taken = await executeChild<(input: unknown) => Promise<BackupResult>>('backup', {
    workflowId: `${workflowInfo().workflowId}/backup`,
    args: [{ source, kind, description: detail }],
  })
  return { due, detail, backup: taken.id }
}
