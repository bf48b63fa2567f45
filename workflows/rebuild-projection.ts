/** One projection built anew from its events, through the application that owns it. */
import { proxyActivities } from '@temporalio/workflow'
import type { ApplicationActivities } from '../activities/applications.ts'
import type { RebuildInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { parseInput } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { createView } from './lib/view.ts'

const { placeProjection } = proxyActivities<ApplicationActivities>(control)

export async function rebuildProjection(given: RebuildInput): Promise<{ projection: string; said: Record<string, unknown> } & Ended> {
  const { projection, parameters, requestedBy } = parseInput('rebuildProjection', given)
  const view = createView({ kind: 'rebuild' })
  return recorded(view, { workflow: 'rebuildProjection', requestedBy }, () =>
    withLocks([`projection/${projection}`], { work: 'restore', wait: false, what: `rebuild of ${projection}` }, async () => {
      view.phase('rebuild')
      const { host } = await placeProjection({ projection })
      const { rebuildProjection: rebuild } = proxyActivities<ApplicationActivities>(dataOn(host))
      return rebuild.executeWithOptions({ summary: projection }, [{ projection, parameters }])
    }),
  )
}
