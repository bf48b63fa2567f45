/** Applications are down while their source is replaced, and back as they were, whether that succeeds or not. */
import { isCancellation, proxyActivities } from '@temporalio/workflow'
import type { ApplicationActivities, Around, Surroundings } from '../../activities/applications.ts'
import { rootFailure } from './failure.ts'
import { dataOn, undoOn } from './options.ts'
import type { Saga } from './saga.ts'
import type { View } from './view.ts'

/** Stops each in order; starting them again is the saga's until `start` has done it. */
export async function stopApplications({ applications }: Surroundings, saga: Saga, view: View): Promise<{ start(): Promise<string[]> }> {
  const stopped: (Around & { again(on: ApplicationActivities): Promise<void> })[] = []
  for (const one of applications) {
    const { name: application, host } = one
    const on = proxyActivities<ApplicationActivities>(dataOn(host))
    view.step(`stop ${application}`, 'running')
    const state = await on.inspectApplication.executeWithOptions({ summary: application }, [{ application }])
    const again = (by: ApplicationActivities) => by.startApplication({ application, state })
    saga.undoBy(`start ${application}`, () => again(proxyActivities<ApplicationActivities>(undoOn(host))))
    stopped.unshift({ ...one, again })
    await on.stopApplication.executeWithOptions({ summary: application }, [{ application }])
    view.step(`stop ${application}`, 'done', state.replicas === undefined ? undefined : `${state.replicas} replicas before`)
  }
  return {
    /** Last stopped, first started. What was restored stands also where one does not start: that is told. */
    async start() {
      const problems: string[] = []
      for (const { name, host, again } of stopped)
        problems.push(...(await told(view, `start ${name}`, () => again(proxyActivities<ApplicationActivities>(dataOn(host))))))
      return problems
    },
  }
}

/** Has each projection built anew, one after the other; gives back what went wrong. */
export async function rebuildProjections({ projections }: Surroundings, view: View): Promise<string[]> {
  const problems: string[] = []
  for (const { name: projection, host } of projections) {
    const { rebuildProjection } = proxyActivities<ApplicationActivities>(dataOn(host))
    const rebuild = () => rebuildProjection.executeWithOptions({ summary: projection }, [{ projection }])
    problems.push(...(await told(view, `rebuild ${projection}`, rebuild)))
  }
  return problems
}

/** Asks each in turn whether what was restored is well; gives back what went wrong. */
export async function askAfterwards(names: readonly string[], view: View, ask: (name: string) => Promise<unknown>): Promise<string[]> {
  const problems: string[] = []
  for (const name of names) problems.push(...(await told(view, name, () => ask(name))))
  return problems
}

async function told(view: View, step: string, act: () => Promise<unknown>): Promise<string[]> {
  view.step(step, 'running')
  try {
    await act()
    view.step(step, 'done')
    return []
  } catch (error) {
    if (isCancellation(error)) throw error
    const { message } = rootFailure(error)
    view.step(step, 'failed', message)
    return [`${step} failed: ${message}`]
  }
}
