/** Exit code 0 while a worker of this machine polls the task queue. `node scripts/compose/healthy.ts temporal:7233 holdfast` */
import { hostname } from 'node:os'
import { connectClient } from '../../src/temporal/connection.ts'

const RECENT_MS = 120_000

export async function isPolled(address: string, queue: string, host = hostname()): Promise<boolean> {
  const client = await connectClient({ address, namespace: 'default' })
  try {
    const { pollers } = await client.workflowService.describeTaskQueue({
      namespace: 'default',
      taskQueue: { name: queue },
      taskQueueType: 2,
    })
    return (pollers ?? []).some(
      ({ identity, lastAccessTime }) =>
        identity?.endsWith(`@${host}`) && Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000 < RECENT_MS,
    )
  } finally {
    await client.connection.close()
  }
}

if (import.meta.main) {
  const [address = 'temporal:7233', queue = 'holdfast'] = process.argv.slice(2)
  const polled = await isPolled(address, queue).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`)
    return false
  })
  process.exitCode = polled ? 0 : 1
}
