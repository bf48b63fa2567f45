/**
 * `npm test`: the toolbox, the checks of the sources, then every test. Arguments go to vitest: `npm test -- test/unit`.
 * The last line is `N passed, N failed`; the exit code is 0 only where nothing failed and something passed.
 */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../src/core/errors.ts'
import { launch } from '../src/process/launch.ts'
import { terminate } from '../src/process/terminate.ts'
import { bundleWorkflows } from '../workers/workflows.ts'
import { checkSources } from './testing/checks.ts'
import { openTestFolder, type TestFolder } from './testing/folder.ts'
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
  const folder = await openTestFolder()
  try {
    // Once, instead of seconds in each of the files and of the workers that need them.
    await writeFile(folder.workflows, await bundleWorkflows(stop.signal))
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${folder.report}`]
    const exitCode = await vitest(environmentOf(folder), [...reporters, ...args])
    // A server that was told to stop when its test ended may need a moment; after a Ctrl-C nobody told it.
    const left = [
      ...(await stopLeftovers(folder.tests, stop.signal.aborted ? 500 : 10_000)),
      ...(await readdir(folder.tests)).map((name) => `${name} was left in the temporary folder`),
    ]
    stop.signal.throwIfAborted()
    const counts = countsOf(folder.report, exitCode)
    if (left.length === 0) return counts
    say(`FAIL the tests leave something behind\n${left.join('\n')}`)
    return { ...counts, failed: counts.failed + 1 }
  } finally {
    await folder.remove()
  }
}

function environmentOf({ tests, workflows, compiled }: TestFolder): Record<string, string> {
  // Each command line that a test starts is a Node of its own, and spends half of its time on compiling.
  return { TMPDIR: tests, HOLDFAST_WORKFLOW_BUNDLE: workflows, NODE_COMPILE_CACHE: compiled, ...markOf(tests) }
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
