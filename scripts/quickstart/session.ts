/** What the steps share: the stack, the writer, the report that grows. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { WorkflowHandle } from '@temporalio/client'
import { type RunView, viewQuery } from '../../src/contract/messages.ts'
import { type Daemon, startDaemon } from '../../src/process/daemon.ts'
import { until } from '../../src/process/wait.ts'
import type { PairSite } from '../toolbox/pair.ts'
import type { Report } from './report.ts'
import type { Say, Stack } from './stack.ts'
import { DATABASE, RECORD } from './names.ts'

export interface Session {
  stack: Stack
  report: Report
  say: Say
  signal: AbortSignal
  scale: number
  writerLog: string
  writer?: Daemon
  /** The site that takes writes now. */
  primary: PairSite
  standby: PairSite
}

export async function startWriter(session: Session): Promise<void> {
  const { stack } = session
  const options = {
    dns: stack.dns.server,
    name: RECORD,
    port: stack.pair.port,
    dbname: DATABASE,
    log: session.writerLog,
    clients: 4,
    first: 1,
  }
  const writer = await startDaemon(
    { program: process.execPath, args: [fileURLToPath(new URL('./writer.ts', import.meta.url)), JSON.stringify(options)] },
    { logFile: join(stack.dir, 'writer.out') },
  )
  session.writer = writer
  stack.onStop(() => writer.stop())
}

/** Runs a workflow as an operator would and gives its result; its failure is the step's. */
export async function runWorkflow<T>(session: Session, type: string, input: unknown, id = `${type}-${Date.now()}`): Promise<T> {
  return (await session.stack.client.workflow.execute(type, { taskQueue: 'holdfast', workflowId: id, args: [input] })) as T
}

/** The result of a run that must not wait for anybody: one that parks is a failure that says why. */
export async function resultOf<T>(handle: WorkflowHandle): Promise<T> {
  const result = handle.result() as Promise<T>
  let ended = false
  const parked = until(
    async () => {
      const { awaiting } = (await handle.query(viewQuery)) as RunView
      if (awaiting) throw new Error(`the run awaits an operator: ${awaiting.what}: ${awaiting.why}`)
      return ended
    },
    { timeoutMs: 1_800_000, everyMs: 500, what: 'the run to end' },
  )
  try {
    return await Promise.race([result, parked.then(() => result)])
  } finally {
    ended = true
    result.catch(() => {})
    parked.catch(() => {})
  }
}

/** Every id of the writer's table, from the site given. */
export async function presentIds(site: PairSite): Promise<Set<number>> {
  const rows = await site.query('select array_agg(id)::text as ids from writes')
  const text = String(rows[0]?.['ids'] ?? '{}')
  return new Set(text.slice(1, -1).split(',').filter(Boolean).map(Number))
}
