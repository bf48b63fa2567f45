/** Whether a capture can succeed, as far as the source's own check knows. */
import { HoldfastError } from '../../core/errors.ts'
import { programOf } from '../../process/find.ts'
import type { DriverContext, Preflight } from '../driver.ts'
import type { Caller } from './call.ts'
import { checkIn } from './lines.ts'

/** EX_TEMPFAIL of sysexits.h: what is lacking may come back by itself. */
const LATER = 75

export async function preflight(caller: Caller, context: DriverContext): Promise<Preflight> {
  context.onProgress({ phase: 'preflight' })
  const { commands } = caller.config
  const programs = Object.entries(commands).flatMap(([step, words]) => (words?.[0] === undefined ? [] : [[step, words[0]] as const]))
  for (const [, program] of programs) programOf({ program })
  const checked = await caller.call(
    'check',
    { target: 'live' },
    { signal: context.signal, accept: Array.from({ length: 256 }, (_, code) => code) },
  )
  const said = checked && `${checked.stderr}${checked.stdout}`.trim().slice(-1000)
  if (checked?.exitCode === LATER)
    throw new HoldfastError('SOURCE_UNREACHABLE', `${caller.source} cannot be captured now: ${said}`, { object: caller.source })
  const { versions, bytes } = checkIn(checked?.stdout ?? '')
  const ok = checked === undefined || checked.exitCode === 0
  return {
    versions: { capture: programOf({ program: commands.capture[0] ?? '' }), ...versions },
    estimateBytes: bytes ?? 0,
    findings: checked
      ? [
          {
            name: 'check',
            ok,
            required: true,
            detail: ok ? 'exits with 0' : `exits with ${checked.exitCode}: ${said}`,
            next: 'mend what the check of the source says',
          },
        ]
      : [],
  }
}
