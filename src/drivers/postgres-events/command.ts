/** A command of the user's own about a database: PG* and DATABASE_URL lead there, and it exits 0 when all is well. */
import { seconds } from '../../core/duration.ts'
import { messageOf } from '../../core/errors.ts'
import type { Assertion } from '../../core/records.ts'
import { run } from '../../process/run.ts'
import { parseConnection, pgEnvironment } from '../postgres-common/connect.ts'
import type { EventsSourceConfig } from './config.ts'

export type Baseline = NonNullable<EventsSourceConfig['baseline']>

const TIMEOUT_MS = 3_600_000

export interface Question {
  run: readonly string[]
  cwd?: string
  timeoutMs?: number
}

/** Throws what `run` throws. */
export async function ask(
  { run: [program = '', ...args], cwd, timeoutMs = TIMEOUT_MS }: Question,
  connection: string,
  signal: AbortSignal,
): Promise<void> {
  const env = { ...pgEnvironment(connection), DATABASE_URL: urlOf(connection) }
  await run({ program, args, env, ...(cwd !== undefined && { cwd }) }, { signal, timeoutMs })
}

export const baselineQuestion = (baseline: Baseline): Question => ({
  run: baseline.run,
  cwd: baseline.in,
  timeoutMs: seconds(baseline.timeout) * 1000,
})

/** A command that fails is a result. */
export async function asAssertion(name: string, question: Question, connection: string, signal: AbortSignal): Promise<Assertion> {
  const expected = `${question.run.join(' ')} exits 0`
  try {
    await ask(question, connection, signal)
    return { name, ok: true, expected, actual: expected }
  } catch (error) {
    if (signal.aborted) throw error
    return { name, ok: false, expected, actual: messageOf(error) }
  }
}

/** Without the password, which is in PGPASSWORD. */
function urlOf(connection: string): string {
  const { user = '', host = '', hostaddr, port = '5432', dbname = '' } = parseConnection(connection)
  const words = new URLSearchParams({ host: hostaddr ?? host, port, user })
  return `postgresql:///${encodeURIComponent(dbname)}?${words}`
}
