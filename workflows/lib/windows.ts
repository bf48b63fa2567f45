/** What a schedule starts waits for its window, and may have to be done when that closes. */
import { CancellationScope, isCancellation, patched, proxyActivities, sleep, workflowInfo } from '@temporalio/workflow'
import type { BackupActivities } from '../../activities/backup.ts'
import { failure } from './failure.ts'
import { control } from './options.ts'
import type { View } from './view.ts'

const { windowOf } = proxyActivities<BackupActivities>(control)

/** Runs the body, at once where a person asked for it. Throws WINDOW_CLOSED where it had to be stopped. */
export async function inWindow<T>(source: string, view: View, body: () => Promise<T>): Promise<T> {
  const bySchedule = workflowInfo().searchAttributes['TemporalScheduledById'] !== undefined
  const closesAt = bySchedule && patched('windows') ? await opened(source, view) : undefined
  if (closesAt === undefined) return body()
  const scope = new CancellationScope({ cancellable: true, timeout: Math.max(1, closesAt - Date.now()) })
  try {
    return await scope.run(body)
  } catch (error) {
    if (!isCancellation(error) || Date.now() < closesAt) throw error
    throw failure('WINDOW_CLOSED', `${source} was not done when its window closed at ${new Date(closesAt).toISOString()}`, {
      object: source,
    })
  }
}

/** Resolves in an open window, with the moment at which everything has to be done. */
async function opened(source: string, view: View): Promise<number | undefined> {
  for (;;) {
    const { opensAt, closesAt } = await windowOf({ source, at: new Date(Date.now()).toISOString() })
    if (opensAt === undefined) return closesAt === undefined ? undefined : Date.parse(closesAt)
    view.phase('window')
    view.step('window', 'running', `opens at ${opensAt}`)
    await sleep(Math.max(1, Date.parse(opensAt) - Date.now()))
    view.step('window', 'done')
  }
}
