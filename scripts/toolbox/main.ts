/** `npm run toolbox`: installs what is missing and shows where each program is. `-- name…` for some of them only. */
import { HoldfastError, messageOf } from '../../src/core/errors.ts'
import { ensureToolbox } from './ensure.ts'
import { findProgram } from './find.ts'
import { PROGRAMS } from './programs.ts'

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())

const names = process.argv.slice(2)
try {
  for (const name of names) if (!PROGRAMS.some((program) => program.name === name)) findProgram(name)
  const wanted = PROGRAMS.filter(({ name }) => names.length === 0 || names.includes(name))
  await ensureToolbox({ only: wanted, signal: stop.signal })
  for (const { name } of wanted) process.stdout.write(`${name.padEnd(18)} ${findProgram(name)}\n`)
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n${error instanceof HoldfastError ? `next: ${error.next}\n` : ''}`)
  process.exitCode = stop.signal.aborted ? 130 : 1
}
