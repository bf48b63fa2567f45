import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startDaemon } from '../../../src/process/daemon.ts'
import { command, ends, processesWith, shell, sleeps, uniqueSleep } from './helpers.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdfast-process-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const source = (file: string): string => JSON.stringify(new URL(`../../../src/process/${file}`, import.meta.url).href)

describe('a daemon', () => {
  it('runs until it is stopped, and writes what it prints to its log', async () => {
    const sleep = uniqueSleep()
    const logFile = join(dir, 'log')
    const daemon = await startDaemon(shell('echo ready; echo warned >&2; exec sleep "$1"', sleep), { logFile })
    await sleeps(sleep)
    expect(readFileSync(logFile, 'utf8')).toBe('ready\nwarned\n')
    await daemon.stop()
    await daemon.stop()
    expect(await daemon.exited).toBe(null)
    expect(processesWith(sleep)).toEqual([])
  })

  it('tells its exit code when it ends by itself, and stops what it left in its group', async () => {
    const sleep = uniqueSleep()
    const daemon = await startDaemon(shell('sleep "$1" & exit 7', sleep), { logFile: join(dir, 'log') })
    expect(await daemon.exited).toBe(7)
    await daemon.stop()
    expect(processesWith(sleep)).toEqual([])
  })

  it('is forced where it does not heed the signal that it is asked with', async () => {
    const sleep = uniqueSleep()
    const daemon = await startDaemon(shell('trap "" INT; sleep "$1"; sleep "$1"', sleep), { logFile: join(dir, 'log') })
    await sleeps(sleep)
    await daemon.stop({ graceMs: 200, signal: 'SIGINT' })
    expect(processesWith(sleep)).toEqual([])
  })

  it('stops when its signal is aborted', async () => {
    const sleep = uniqueSleep()
    const stop = new AbortController()
    const daemon = await startDaemon(command('sleep', sleep), { logFile: join(dir, 'log'), signal: stop.signal })
    stop.abort()
    await daemon.exited
    await ends(sleep)
  })

  it('outlives the short-lived thread that started it', async () => {
    const sleep = uniqueSleep()
    const script = `import(${source('daemon.ts')}).then(({ startDaemon }) => startDaemon(${JSON.stringify(command('sleep', sleep))}, { logFile: ${JSON.stringify(join(dir, 'log'))} })).then(() => process.exit())`
    const thread = new Worker(script, { eval: true, execArgv: ['--disable-warning=ExperimentalWarning'] })
    await new Promise((done) => thread.once('exit', done))
    await sleeps(sleep)
    const [pid] = processesWith(sleep)
    if (pid) process.kill(pid)
    await ends(sleep)
  })
})

describe('a worker that is killed with SIGKILL', () => {
  it.each(['root or whoever the worker is', 'nobody'])('takes its programs with it: as %s', async (user) => {
    const sleep = uniqueSleep()
    const as = JSON.stringify({ ...command('sleep', sleep), user: user === 'nobody' ? user : undefined })
    const script = `
      import { run } from ${source('run.ts')}
      import { startChain } from ${source('chain.ts')}
      import { startDaemon } from ${source('daemon.ts')}
      startChain([${as}, ${as}])
      await startDaemon(${as}, { logFile: ${JSON.stringify(join(dir, 'log'))} })
      await run(${as})`
    const worker = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script], {
      stdio: 'inherit',
    })
    await sleeps(sleep, 4)
    worker.kill('SIGKILL')
    await ends(sleep)
  })
})
