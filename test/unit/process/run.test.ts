import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { run } from '../../../src/process/run.ts'
import { command, ends, processesWith, shell, sleeps, uniqueSleep } from './helpers.ts'

describe('run', () => {
  it('gives the output and how long it took', async () => {
    const result = await run(shell('echo out; echo err >&2'))
    expect(result).toMatchObject({ exitCode: 0, stdout: 'out\n', stderr: 'err\n', truncated: false })
    expect(result.durationMs).toBeGreaterThanOrEqual(0)
  })

  it('gives the standard input, and closes it', async () => {
    expect((await run({ ...command('cat'), stdin: 'given' })).stdout).toBe('given')
  })

  it('does not mind a program that leaves its input unread', async () => {
    expect((await run({ ...command('true'), stdin: Buffer.alloc(4_000_000) })).exitCode).toBe(0)
  })

  it('fails on an exit code that is not accepted, with the end of stderr', async () => {
    const failure = run(shell('echo first >&2; echo last words >&2; exit 3'))
    await expect(failure).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
      object: 'sh',
      message: expect.stringMatching(/exited with 3: first\nlast words$/),
    })
    expect((await run(shell('exit 3'), { accept: [0, 3] })).exitCode).toBe(3)
  })

  it('fails on a program that a signal ended', async () => {
    await expect(run(shell('kill -9 $$'), { accept: [0, 137] })).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
      message: expect.stringContaining('was ended by SIGKILL'),
    })
  })

  it('names a program that is not installed, and does not take exit code 127 for it', async () => {
    await expect(run(command('no-such-program'))).rejects.toMatchObject({ code: 'TOOL_MISSING', object: 'no-such-program' })
    await expect(run(command('/nowhere/program'))).rejects.toMatchObject({ code: 'TOOL_MISSING' })
    await expect(run(command(tmpdir()))).rejects.toMatchObject({ code: 'TOOL_MISSING' })
    await expect(run(shell('exit 127'))).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
    await expect(run({ ...command('true'), cwd: '/nowhere' })).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
      message: expect.stringContaining('/nowhere'),
    })
  })

  it('keeps the beginning of stdout and the end of stderr, and marks what is cut', async () => {
    const result = await run(shell('seq 1 2000; seq 1 2000 >&2'), { maxOutputBytes: 100 })
    expect(result.truncated).toBe(true)
    expect(result.stdout).toMatch(/^1\n2\n[\s\S]*\n\[truncated: \d+ more bytes\]$/)
    expect(result.stderr).toMatch(/^\[truncated: \d+ bytes before\]\n[\s\S]*2000\n$/)
    expect(result.stdout.length).toBeLessThan(200)
    expect(result.stderr.length).toBeLessThan(200)
  })

  it('reads endless output without keeping it', async () => {
    const result = await run(shell('yes | head -c 200000000'), { maxOutputBytes: 1000 })
    expect(result.stdout).toMatch(/^(y\n)+\n\[truncated: 199999000 more bytes\]$/)
    expect(result.stdout.length).toBe(1000 + '\n[truncated: 199999000 more bytes]'.length)
  })

  it('shows neither environment nor input in an error, not even where the program repeats a secret', async () => {
    const failing = {
      ...shell('echo "no entry with $PGPASSWORD" >&2; exit 1'),
      env: { PGPASSWORD: 'correct horse' },
      stdin: 'battery staple',
    }
    const failure = await run(failing).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'PROCESS_FAILED', message: expect.stringContaining('no entry with ***') })
    expect(JSON.stringify([failure, (failure as Error).message, (failure as Error).stack])).not.toMatch(/correct horse|battery staple/)
  })

  it('does not wait for a server that the program left running with its output open', async () => {
    const sleep = uniqueSleep()
    expect((await run(shell('sleep "$1" & echo started', sleep))).stdout).toBe('started\n')
    for (const pid of processesWith(sleep)) process.kill(pid)
    await ends(sleep)
  })
})

describe('stopping a run', () => {
  it('lets a program that is asked end by itself', async () => {
    const failure = await run(shell('trap "echo tidied up >&2; exit 0" TERM; echo; while :; do sleep 0.05; done'), {
      timeoutMs: 500,
    }).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'PROCESS_TIMEOUT', message: expect.stringMatching(/(: |\n)tidied up/) })
  })

  it('forces one that does not, with the children of its children', async () => {
    const sleep = uniqueSleep()
    const stop = new AbortController()
    const running = run(shell('trap "" TERM; sh -c "sh -c \\"sleep $1\\" & wait" & sleep "$1"; wait', sleep), {
      signal: stop.signal,
      graceMs: 300,
    })
    const refusal = expect(running).rejects.toMatchObject({ code: 'CANCELLED' })
    await sleeps(sleep, 2)
    stop.abort()
    await refusal
    expect(processesWith(sleep)).toEqual([])
  })

  it('leaves no process after an abort, and starts none after one', async () => {
    const sleep = uniqueSleep()
    const stop = new AbortController()
    const running = run(command('sleep', sleep), { signal: stop.signal })
    const refusal = expect(running).rejects.toMatchObject({ code: 'CANCELLED' })
    await sleeps(sleep)
    stop.abort(new Error('enough'))
    await refusal
    expect(processesWith(sleep)).toEqual([])
    await expect(run(command('sleep', sleep), { signal: stop.signal })).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(processesWith(sleep)).toEqual([])
  })
})

describe('the user of a run', () => {
  it('is who is named, with home and groups, when the worker is root', async () => {
    const root = process.getuid?.() === 0
    const seen = await run({ ...shell('id -un; echo $HOME; cat /proc/self/status'), user: 'nobody' })
    const own = await run(command('id', '-un'))
    expect(seen.stdout.split('\n')[0]).toBe(root ? 'nobody' : own.stdout.trim())
    if (root) expect(seen.stdout).toMatch(/CapEff:\s+0{16}\n/)
  })

  it('is an error where the machine does not know it', async () => {
    if (process.getuid?.() !== 0) return expect((await run({ ...command('true'), user: 'nobody-knows-me' })).exitCode).toBe(0)
    await expect(run({ ...command('true'), user: 'nobody-knows-me' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      object: 'nobody-knows-me',
    })
  })
})
