/** An ordinary worker, without any knowledge of the harness: `node worker.ts <address> <task queue> <workflow bundle>`. */
import { NativeConnection, Worker } from '@temporalio/worker'
import * as activities from './activities.ts'

const [address, taskQueue = '', codePath = ''] = process.argv.slice(2)
const connection = await NativeConnection.connect({ address })
const worker = await Worker.create({
  connection,
  taskQueue,
  activities,
  workflowBundle: { codePath },
  stickyQueueScheduleToStartTimeout: '1s',
})
try {
  await worker.run()
} finally {
  await connection.close()
}
