/** The command line as a user has it: a process of its own, its words, its exit code. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'

const ENTRY = fileURLToPath(new URL('../../workers/holdfast.ts', import.meta.url))
const ANY_EXIT = Array.from({ length: 256 }, (_, code) => code)

export interface Said {
  code: number
  stdout: string
  stderr: string
}

/** Runs it to its end. */
export async function holdfast(args: string[], env: Record<string, string> = {}): Promise<Said> {
  const { exitCode, stdout, stderr } = await run(
    { program: process.execPath, args: [ENTRY, ...args], env: { HOLDFAST_LOG_LEVEL: 'warn', ...env } },
    { accept: ANY_EXIT, timeoutMs: 600_000 },
  )
  return { code: exitCode, stdout, stderr }
}

/** Its answer with --json; the exit code must be this one, and stderr silent. */
export async function answer<T = Record<string, unknown>>(args: string[], code = 0, env: Record<string, string> = {}): Promise<T> {
  const said = await holdfast(['--json', ...args], env)
  expect(said, args.join(' ')).toMatchObject({ code, stderr: '' })
  return JSON.parse(said.stdout) as T
}

/** Its error with --json; stdout must be empty. */
export async function refusal(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: string; exitCode: number; object: string; next: string; message: string }> {
  const said = await holdfast(['--json', ...args], env)
  expect(said.stdout, args.join(' ')).toBe('')
  const { error } = JSON.parse(said.stderr)
  expect(error.exitCode).toBe(said.code)
  return error
}

export interface Interrupt {
  signal?: NodeJS.Signals
  env?: Record<string, string>
  /** Done between the word and the signal; given what stdout said until then. */
  meanwhile?(stdout: string): Promise<void>
}

/** Starts it, sends it a signal once it has said the word, and gives all that it said until its end. */
export async function interrupt(args: string[], word: RegExp, { signal = 'SIGINT', env, meanwhile }: Interrupt = {}): Promise<Said> {
  const child = spawn(process.execPath, [ENTRY, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOLDFAST_LOG_LEVEL: 'warn', ...env },
  })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    said.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    said.stderr += chunk
  })
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)))
  const early = ended.then((code) => {
    throw new Error(`${args.join(' ')} ended with ${code}: ${said.stderr}`)
  })
  early.catch(() => {})
  try {
    const spoken = until(() => word.test(said.stdout + said.stderr), { timeoutMs: 180_000, what: `${args.join(' ')} to say ${word}` })
    await Promise.race([spoken, early])
    await meanwhile?.(said.stdout)
    child.kill(signal)
    return { code: await ended, ...said }
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

/** On a terminal of its own, as `script` makes one; where a line is replaced, its text says `<replaced>`. */
export function inTerminal(args: string[]): { text(): string; ended: Promise<number> } {
  const words = [process.execPath, ENTRY, ...args].map((word) => `'${word}'`).join(' ')
  const child = spawn('script', ['-qefc', words, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, HOLDFAST_LOG_LEVEL: 'warn' },
  })
  const said: string[] = []
  child.stdout.on('data', (chunk) => said.push(String(chunk)))
  return {
    text: () => said.join('').replaceAll('\r\u001b[K', '<replaced>'),
    ended: new Promise((resolve) => child.once('close', (code) => resolve(code ?? -1))),
  }
}
