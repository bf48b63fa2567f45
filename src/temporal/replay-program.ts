/** A program: replays histories with workflow code, and writes one line of verdict for each into a file: the library prints where it likes. */
import { appendFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import proto from '@temporalio/proto'
import { DefaultLogger, type ReplayHistoriesIterable, Runtime, Worker } from '@temporalio/worker'
import { readBundle } from '../drivers/temporal/read-bundle.ts'

export interface ReplayOrder {
  workflowsPath: string
  /** Which is there, and empty. */
  verdicts: string
  histories: { workflowId: string; runId: string; type: string; file: string; at: number }[]
}
export interface ReplayVerdict {
  run: string
  error?: string
}

const { workflowsPath, verdicts, histories } = JSON.parse(await text(process.stdin)) as ReplayOrder
Runtime.install({ logger: new DefaultLogger('WARN') })

async function* decoded(): ReplayHistoriesIterable {
  for (const { workflowId, file, at } of histories)
    yield { workflowId, history: proto.temporal.api.history.v1.History.decode(await historyAt(file, at)) }
}

async function historyAt(file: string, wanted: number): Promise<Buffer> {
  let at = 0
  for await (const bytes of readBundle(file)) if (at++ === wanted) return bytes
  throw new Error(`${file} has no history ${wanted}`)
}

// In the order in which they end.
for await (const { runId, error } of Worker.runReplayHistories({ workflowsPath }, decoded())) {
  const { type, workflowId } = histories.find((history) => history.runId === runId) ?? { type: 'unknown', workflowId: 'unknown' }
  const verdict: ReplayVerdict = { run: `${type} ${workflowId}/${runId}`, ...(error && { error: error.message }) }
  await appendFile(verdicts, `${JSON.stringify(verdict)}\n`)
}
