/** Every assertion of a proof: the counts that were recorded, what the source's own verify says, and the questions of the user. */
import { messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import type { DriverContext, UserAssertion } from '../driver.ts'
import type { Caller, Step, Told } from './call.ts'
import { assertionsIn, countsIn } from './lines.ts'

export interface VerifyOptions {
  depth: 'restore' | 'full'
  assertions: readonly UserAssertion[]
}

export async function verify(
  caller: Caller,
  context: DriverContext,
  manifest: Manifest,
  place: Told,
  options: VerifyOptions,
): Promise<Assertion[]> {
  const { signal } = context
  const told: Told = { ...place, point: manifest.id, depth: options.depth }
  /** What it printed and how it ended; a failure is a result. */
  const ask = async (step: Step | readonly string[]) => {
    signal.throwIfAborted()
    context.onProgress({ phase: 'verify' })
    try {
      const result = await caller.call(step, told, { signal, accept: Array.from({ length: 256 }, (_, code) => code) })
      const said = result?.stderr.trim().slice(-500)
      return {
        text: result?.stdout ?? '',
        ended: result?.exitCode === 0 ? EXITS : `exited with ${result?.exitCode}${said ? `: ${said}` : ''}`,
      }
    } catch (error) {
      if (signal.aborted) throw error
      return { text: '', ended: messageOf(error) }
    }
  }
  const own = await ask('verify')
  const asked: Assertion[] = []
  for (const { name, run } of options.assertions) asked.push(exits(name, (await ask(Array.isArray(run) ? run.map(String) : [])).ended))
  // A store that is live goes on counting.
  const counts = place.target === 'live' ? [] : await counted(caller, manifest, ask)
  return [...counts, ...assertionsIn(own.text), exits('verify', own.ended), ...asked]
}

const EXITS = 'exits with 0'
const exits = (name: string, actual: string): Assertion => ({ name, ok: actual === EXITS, expected: EXITS, actual })

async function counted(
  caller: Caller,
  manifest: Manifest,
  ask: (step: Step) => Promise<{ text: string; ended: string }>,
): Promise<Assertion[]> {
  const wanted = manifest.inventory?.['counts']
  if (!wanted || !caller.config.commands.counts) return []
  const { text, ended } = await ask('counts')
  if (ended !== EXITS) return [exits('counts', ended)]
  const found = countsIn(text)
  const until = manifest.inventory?.['counts until'] ?? {}
  const names = [...new Set([...Object.keys(wanted), ...Object.keys(found)])]
  return names.map((name) => compared(`count ${name}`, wanted[name]?.toString(), until[name]?.toString(), found[name]))
}

function compared(name: string, from: string | undefined, to: string | undefined, actual: string | undefined): Assertion {
  const expected = from === undefined ? 'nothing of that name' : to === undefined ? from : `${from} to ${to}`
  const ok = actual !== undefined && from !== undefined && (actual === from || actual === to || within(actual, from, to ?? from))
  return { name, ok, expected, actual: actual ?? 'nothing of that name' }
}

function within(actual: string, from: string, to: string): boolean {
  const [value, one, other] = [actual, from, to].map(Number)
  if (value === undefined || one === undefined || other === undefined || from === to) return false
  return value >= Math.min(one, other) && value <= Math.max(one, other)
}
