/** A graph made again from its export, under any name. */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import type { Client } from './connect.ts'
import { entryOf, type GraphName } from './facts.ts'
import { wordsOf } from './graph-export.ts'
import { rowsOf } from './graph-read.ts'

/** Runs the commands of the export; the stream is read to its end, where it is found out whether it was whole. */
export async function importGraph(client: Client, into: GraphName, stream: Readable, signal?: AbortSignal): Promise<void> {
  await client.select(into.db)
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      signal?.throwIfAborted()
      await runLine(client, into, line)
    }
  } finally {
    stream.destroy()
    await client.select(0)
  }
  await awaitDefinitions(client, into, signal)
}

async function runLine(client: Client, into: GraphName, line: string): Promise<void> {
  const [command = '', ...words] = wordsOf(line)
  words[command === 'GRAPH.CONSTRAINT' ? 1 : 0] = into.name
  await client.call(command, ...words).catch((error: unknown) => {
    throw new HoldfastError('PROCESS_FAILED', `${entryOf(into)} refuses a command of the export: ${messageOf(error)}`, {
      object: into.name,
      cause: error,
      details: { command: line.slice(0, 300) },
    })
  })
}

const LONGEST_MS = 3_600_000

/** Indexes and constraints are made after the answer. */
async function awaitDefinitions(client: Client, graph: GraphName, signal: AbortSignal | undefined): Promise<void> {
  const states = async (what: string) =>
    (await rowsOf(client, graph, `CALL db.${what}() YIELD status RETURN status`)).map(([cell]) => String(cell?.[1]))
  await until(
    async () => {
      const all = [...(await states('indexes')), ...(await states('constraints'))]
      if (all.includes('FAILED'))
        throw new HoldfastError('VERIFY_FAILED', `a constraint of ${entryOf(graph)} does not hold`, { object: graph.name })
      return all.every((state) => state === 'OPERATIONAL')
    },
    { timeoutMs: LONGEST_MS, everyMs: 50, what: `the indexes and constraints of ${entryOf(graph)}`, signal },
  )
}
