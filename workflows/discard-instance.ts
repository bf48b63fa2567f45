/** Stops and removes an instance that a recovery left running beside the live one. */
import { proxyActivities } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { RecoverActivities } from '../activities/recover.ts'
import { parseInput } from './lib/failure.ts'
import { control, dataOn } from './lib/options.ts'
import { createView, reporting } from './lib/view.ts'

const { resolveSource } = proxyActivities<BackupActivities>(control)

export async function discardInstance(given: { source: string; instance: string }): Promise<{ discarded: string }> {
  const { source, instance } = parseInput('discardInstance', given)
  const view = createView({ source, kind: 'discard' })
  return reporting(view, async () => {
    const { host } = await resolveSource({ source })
    await proxyActivities<RecoverActivities>(dataOn(host)).discardInstance.executeWithOptions({ summary: instance }, [{ source, instance }])
    view.outcome('success')
    return { discarded: instance }
  })
}
