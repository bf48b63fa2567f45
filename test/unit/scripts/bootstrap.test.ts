/** npm scripts under a Node that cannot replace itself (20), in a terminal: Ctrl-C goes to everybody who is in it. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

const BOOTSTRAP = fileURLToPath(new URL('../../../scripts/bootstrap.mjs', import.meta.url))
const WITHOUT_EXECVE = 'data:text/javascript,process.execve=undefined'
const PRESSES = 5
/** Says each signal, and ends once none came for a while. */
const COUNTS = `let count = 0, idle
process.on('SIGINT', () => { console.log('heard ' + ++count); clearTimeout(idle); idle = setTimeout(() => process.exit(7), 1000) })
setInterval(() => {}, 1000)
console.log('ready')`

test('each Ctrl-C reaches the program once, and its exit code comes through', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-terminal-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const program = join(dir, 'counts.mjs')
  await writeFile(program, COUNTS)
  // A shell that stays would end by the signal itself, whatever the program made of it.
  const command = `exec '${process.execPath}' --import '${WITHOUT_EXECVE}' '${BOOTSTRAP}' '${program}'`
  const terminal = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, SHELL: '/bin/sh' },
  })
  onTestFinished(() => void terminal.kill('SIGKILL'))
  let shown = ''
  let pressed = 0
  terminal.stdout.on('data', (chunk: Buffer) => {
    shown += chunk.toString()
    // After what it answered to the one before: signals of one kind that wait for a process are one.
    const heard = shown.match(/ready|heard/g)?.length ?? 0
    if (heard > pressed && pressed < PRESSES) {
      pressed += 1
      terminal.stdin.write('\x03')
    }
  })
  const code = await new Promise((resolve) => terminal.once('close', resolve))
  expect(shown.match(/heard \d+/g)?.at(-1)).toBe(`heard ${PRESSES}`)
  expect(code).toBe(7)
})
