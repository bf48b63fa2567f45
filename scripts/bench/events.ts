/** How long the history of one backup is, of a source with 200 tables. */
import type { Stack } from '../quickstart/stack.ts'
import type { Bench } from './bench.ts'
import { whileWorking } from './stack.ts'

const MOST = 150

export async function benchEvents(bench: Bench, stack: Stack): Promise<void> {
  const { client } = stack
  for (const [source, what] of [
    ['shop-logical', 'logical'],
    ['shop', 'physical'],
  ] as const) {
    const workflowId = `bench-${source}`
    const handle = await client.workflow.start('backup', { taskQueue: 'holdfast', workflowId, args: [{ source, description: 'bench' }] })
    await whileWorking(stack, handle.result(), bench.signal)
    const { events } = await handle.fetchHistory()
    bench.say(`the ${what} backup's history has ${events?.length} events`)
    bench.add({
      name: `events of one ${what} backup with 200 tables`,
      against: 'nothing: the history as the server has it when the run has ended',
      value: events?.length ?? 0,
      goal: MOST,
      goalText: `at most ${MOST}`,
      limit:
        'three events for each activity and three for each workflow task between them; tables cost none, they are read in one activity',
    })
  }
}
