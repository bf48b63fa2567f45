/**
 * `npm run crash`: kills and freezes the worker at every activity of every workflow and compares the state afterwards.
 * Takes hours for all; `-- --only backup,retention --when after` for a part, `-- --help` for the rest.
 */
import { join } from 'node:path'
import { messageOf } from '../src/core/errors.ts'
import { launch } from '../src/process/launch.ts'
import { ensureToolbox } from './toolbox/ensure.ts'

const ROOT = join(import.meta.dirname, '..')
/** The rounds are of the tests, which no script imports: they run as a program. */
const ROUNDS = join(ROOT, 'test', 'support', 'crash', 'main.ts')

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())

try {
  await ensureToolbox({ progress: (line) => process.stderr.write(`${line}\n`), signal: stop.signal })
  const command = { program: process.execPath, args: [ROUNDS, ...process.argv.slice(2)], cwd: ROOT }
  const rounds = launch(command, ['ignore', 'inherit', 'inherit'])
  const end = () => process.kill(rounds.pid, 'SIGTERM')
  stop.signal.addEventListener('abort', end, { once: true })
  process.exitCode = (await rounds.exited).code ?? 1
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
  process.exitCode = stop.signal.aborted ? 130 : 1
}
