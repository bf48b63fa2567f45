/** The quickstart's stack with what the benchmarks need in its database: a pair, Temporal, a worker, name server, S3. */
import { registerSearchAttributes } from '../../src/temporal/search-attributes.ts'
import { createCleanup, type Stack, startStack } from '../quickstart/stack.ts'
import { type Bench, orStopped } from './bench.ts'

const SMALL_TABLES = 200

export async function benchStack(bench: Bench): Promise<Stack> {
  // As the part's own: it also ends what is still starting when the stop comes.
  const cleanup = createCleanup()
  bench.cleanup.add(cleanup.end)
  const stack = await startStack(bench.say, cleanup, bench.signal)
  await registerSearchAttributes(stack.client)
  const { primary } = stack.pair
  await primary.query('create table writes (id bigint primary key, note text not null, at timestamptz not null default clock_timestamp())')
  await primary.query("insert into writes select n, 'bench' from generate_series(1, 1000) n")
  bench.say(`making ${SMALL_TABLES} small tables`)
  const tables = Array.from(
    { length: SMALL_TABLES },
    (_, at) => `create table small_${at} as select n, md5(n::text) from generate_series(1, 100) n`,
  )
  await orStopped(primary.query(tables.join('; ')), bench.signal)
  return stack
}

/** A run of the worker's, given up at Ctrl-C and when the worker has ended: nobody would finish it. */
export function whileWorking<T>(stack: Stack, run: Promise<T>, signal: AbortSignal): Promise<T> {
  const ended = stack.workerEnded.then((code): never => {
    throw new Error(`the worker has ended with ${code}: see ${stack.dir}/worker.log`)
  })
  ended.catch(() => {})
  return orStopped(Promise.race([run, ended]), signal)
}
