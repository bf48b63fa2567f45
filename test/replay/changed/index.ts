/** The workflows with one changed, as by a careless hand: it looks at the source before it takes the lock. */
import { proxyActivities } from '@temporalio/workflow'
import type { BackupActivities } from '../../../activities/backup.ts'
import { parseInput } from '../../../workflows/lib/failure.ts'
import { control } from '../../../workflows/lib/options.ts'

const { preflight } = proxyActivities<BackupActivities>(control)

export async function backup(given: unknown): Promise<void> {
  const { source } = parseInput('backup', given)
  await preflight({ source })
}
