/** Questions of a user's own about a point. A failure to ask one is its answer. */
import { messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import type { DriverContext, Target, UserAssertion } from '../driver.ts'
import type { Session } from '../../temporal/namespace-session.ts'
import { linesIn } from './read-bundle.ts'
import { replay, type ReplayQuestion } from './replay.ts'
import { findSchedule } from './schedules.ts'

interface Asking {
  session: Session
  context: DriverContext
  manifest: Manifest
  target: Target
}

export const isReplay = (assertion: UserAssertion): boolean => 'replay' in assertion

export async function ask(on: Asking, assertion: UserAssertion): Promise<Assertion> {
  const { name } = assertion
  try {
    if ('replay' in assertion) return { name, ...(await replay(on, assertion['replay'] as ReplayQuestion)) }
    if ('schedule' in assertion) return { name, ...(await scheduleIsThere(on, String(assertion['schedule']))) }
    return { name, ...(await enoughRuns(on, assertion as unknown as RunsQuestion)) }
  } catch (error) {
    if (on.context.signal.aborted) throw error
    return { name, ok: false, expected: 'an answer', actual: messageOf(error) }
  }
}

async function scheduleIsThere({ session }: Asking, id: string): Promise<Omit<Assertion, 'name'>> {
  const ok = (await findSchedule(session, id)) !== undefined
  return { ok, expected: `the schedule ${id}`, actual: ok ? `the schedule ${id}` : 'there is none' }
}

interface RunsQuestion {
  runs: string
  status?: string
  atLeast?: number
}

async function enoughRuns({ manifest, target }: Asking, { runs, status, atLeast = 1 }: RunsQuestion): Promise<Omit<Assertion, 'name'>> {
  let count = 0
  for await (const { line } of linesIn(manifest, target.dir))
    if (line.type === runs && (status === undefined || line.status === status)) count += 1
  return { ok: count >= atLeast, expected: `${atLeast} runs or more of ${runs}${status ? `, ${status}` : ''}`, actual: `${count} runs` }
}
