/**
 * `npm test`: the toolbox, the checks of the sources, then every test. Arguments go to vitest: `npm test -- test/unit`.
 * The last line is `N passed, N failed`; the exit code is 0 only where nothing failed and something passed.
 */
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../src/core/errors.ts'
import { launch } from '../src/process/launch.ts'
import { terminate } from '../src/process/terminate.ts'
import { bundleWorkflows } from '../workers/workflows.ts'
import { checkSources } from './testing/checks.ts'
import { markOf, stopLeftovers } from './testing/leftovers.ts'
import { type Counts, countsOf } from './testing/report.ts'
import { ensureForTests } from './toolbox/ensure.ts'

const ROOT = join(import.meta.dirname, '..')

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())

try {
  await ensureForTests({ progress: say, signal: stop.signal })
  const checks = await checkSources(ROOT, stop.signal)
  for (const { name, ok, output } of checks) say(`${ok ? 'ok  ' : 'FAIL'} ${name}${ok ? '' : `\n${output}`}`)
  const tests = await runTests(process.argv.slice(2))
  for (const name of tests.skipped) say(`skipped: ${name}`)
  const wrong = checks.filter(({ ok }) => !ok).length
  say(`${tests.passed + checks.length - wrong} passed, ${tests.failed + wrong} failed`)
  process.exitCode = tests.failed + wrong > 0 ? 1 : 0
} catch (error) {
  if (stop.signal.aborted) say('interrupted: everything that was started has ended')
  else say(`${messageOf(error)}${error instanceof HoldfastError ? `\nnext: ${error.next}` : ''}\n0 passed, 1 failed`)
  process.exitCode = stop.signal.aborted ? 130 : 1
}

/** Runs vitest with a temporary folder of its own, and looks for what the tests left there or left running. */
async function runTests(args: readonly string[]): Promise<Counts> {
  // The folder's report is beside it: in it, it would be a leftover.
  const folder = await mkdtemp(join(tmpdir(), 'hf-test-'))
  const report = `${folder}.json`
  const workflows = `${folder}.js`
  // As the one it stands for: servers that run as another user keep their data below it.
  await chmod(folder, 0o1777)
  try {
    // Once, instead of seconds in each of the files and of the workers that need them.
    await writeFile(workflows, await bundleWorkflows(stop.signal))
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const exitCode = await vitest({ TMPDIR: folder, HOLDFAST_WORKFLOW_BUNDLE: workflows, ...markOf(folder) }, [...reporters, ...args])
    // A server that was told to stop when its test ended may need a moment; after a Ctrl-C nobody told it.
    const left = [
      ...(await stopLeftovers(folder, stop.signal.aborted ? 500 : 10_000)),
      ...(await readdir(folder)).map((name) => `${name} was left in the temporary folder`),
    ]
    stop.signal.throwIfAborted()
    const counts = countsOf(report, exitCode)
    if (left.length === 0) return counts
    say(`FAIL the tests leave something behind\n${left.join('\n')}`)
    return { ...counts, failed: counts.failed + 1 }
  } finally {
    await rm(folder, { recursive: true, force: true })
    await rm(report, { force: true })
    await rm(workflows, { force: true })
  }
}

async function vitest(env: Record<string, string>, args: readonly string[]): Promise<number | null> {
  stop.signal.throwIfAborted()
  const program = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')
  const launched = launch({ program: process.execPath, args: [program, 'run', ...args], cwd: ROOT, env }, ['ignore', 'inherit', 'inherit'])
  const end = () => void terminate(launched, { graceMs: 5_000 }).catch((error: unknown) => say(messageOf(error)))
  stop.signal.addEventListener('abort', end, { once: true })
  const { code } = await launched.exited
  stop.signal.removeEventListener('abort', end)
  return code
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
