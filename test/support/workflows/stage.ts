/** A stage for workflows: a real server and real workers, with activities that a test writes. Hosts answer on their own queues. */
import { Client, Connection } from '@temporalio/client'
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker'
import { createLockActivities } from '../../../activities/lock.ts'
import { startTemporal, type TemporalServer } from '../../../scripts/toolbox/temporal.ts'
import { workflowCode } from './bundle.ts'

Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: 'ERROR', forward: {} } } })

export const ATTRIBUTES = {
  HoldfastSource: 'Keyword',
  HoldfastGroup: 'Keyword',
  HoldfastKind: 'Keyword',
  HoldfastPhase: 'Keyword',
  HoldfastOutcome: 'Keyword',
  HoldfastPoint: 'Keyword',
} as const

// biome-ignore lint/suspicious/noExplicitAny: activities of any shape, as the worker itself takes them
export type Fakes = Record<string, (input: any) => Promise<unknown>>

export interface Stage {
  client: Client
  server: TemporalServer
  /** The names of the activities that ran, in order. */
  ran: string[]
  /** Runs while workers with these activities serve every queue of a pair of hosts. */
  play<T>(fakes: Fakes, act: () => Promise<T>): Promise<T>
  close(): Promise<void>
}

export async function openStage(): Promise<Stage> {
  const server = await startTemporal({ searchAttributes: ATTRIBUTES })
  const connection = await Connection.connect({ address: server.address })
  const native = await NativeConnection.connect({ address: server.address })
  const client = new Client({ connection })
  const ran: string[] = []
  return {
    client,
    server,
    ran,
    async play(fakes, act) {
      ran.length = 0
      const counted = Object.fromEntries(
        Object.entries({ ...createLockActivities({ client }), ...fakes }).map(([name, run]) => [
          name,
          async (input: never) => {
            ran.push(name)
            return run(input)
          },
        ]),
      )
      const code = await workflowCode()
      const workers = await Promise.all(
        ['holdfast', 'holdfast-data', 'holdfast-host-db1', 'holdfast-host-db2'].map((taskQueue) =>
          Worker.create({
            connection: native,
            taskQueue,
            activities: counted,
            ...(taskQueue === 'holdfast' && { workflowBundle: { code } }),
            stickyQueueScheduleToStartTimeout: '1s',
          }),
        ),
      )
      const running = workers.map((worker) => worker.run())
      try {
        return await act()
      } finally {
        for (const worker of workers) worker.shutdown()
        await Promise.all(running)
      }
    },
    async close() {
      await native.close()
      await connection.close()
      await server.stop()
    },
  }
}

/** The failure that a run ended with: code and message of the innermost application failure. */
export async function failureOf(result: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error: unknown = await result.then(
    () => {
      throw new Error('the run succeeded')
    },
    (caught: unknown) => caught,
  )
  let at = error as Error & { type?: string }
  while (at.cause instanceof Error) at = at.cause as Error & { type?: string }
  return { code: at.type ?? at.name, message: at.message }
}
