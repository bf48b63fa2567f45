/**
 * The crash harness: a run whose worker is killed or frozen at one activity and then goes on with a fresh worker. It
 * says how the run ended; what the world looks like afterwards is for the test to compare.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { WorkflowHandle } from '@temporalio/client'
import { type Daemon, startDaemon } from '../../../src/process/daemon.ts'
import { until } from '../../../src/process/wait.ts'
import { CRASH_ENV, type CrashTime, encodePlan, filesOf } from './plan.ts'

export interface CrashOptions {
  /** The worker's own file; it is started as it is, with the interceptor loaded before it. */
  workerEntry: string
  workerArgs?: readonly string[]
  env?: Readonly<Record<string, string>>
  startWorkflow(): Promise<WorkflowHandle>
  /** Activity type, or `type#id` as activitiesOf names it. */
  activity: string
  when: CrashTime
  /** A frozen worker is thawed once the same activity begins again, or the run ends, or this says so. */
  thawWhen?(): boolean | Promise<boolean>
  /** For the whole of it; 120 s by default. */
  timeoutMs?: number
  /** Gives up, and stops the workers. */
  signal?: AbortSignal | undefined
  /** Goes on beside the run until it has ended, as an operator does. */
  alongside?(handle: WorkflowHandle): Promise<void>
  /** After the run has ended, while its last worker still serves. */
  beforeStop?(): Promise<void>
}

export interface CrashResult {
  handle: WorkflowHandle
  /** How the run ended. */
  outcome: { value: unknown } | { error: unknown }
  /** The attempt that was hit; none in a calm run. */
  crashed?: Hit
  /** What every process that the workers started has in its environment, under CRASH_ENV. */
  mark: string
  /** How the activity of a frozen and thawed worker ended, long after Temporal gave it up. */
  late?: 'resolved' | 'rejected'
}

interface Hit {
  pid: number
  activityType: string
  activityId: string
  attempt: number
}

/** Runs the workflow with the crash. Throws where the run ends without having reached the activity. */
export async function runWithCrash(options: CrashOptions): Promise<CrashResult> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-crash-'))
  const run = new CrashRun(options, folder)
  try {
    return await run.go()
  } catch (error) {
    throw new Error(
      `crash "${options.when}" at ${options.activity}: ${error instanceof Error ? error.message : String(error)}\n${await run.logs()}`,
      { cause: error },
    )
  } finally {
    await run.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

class CrashRun {
  readonly #options: CrashOptions
  readonly #folder: string
  readonly #files: ReturnType<typeof filesOf>
  readonly #deadline: number
  readonly #workers: { name: string; daemon: Daemon }[] = []

  constructor(options: CrashOptions, folder: string) {
    this.#options = options
    this.#folder = folder
    this.#files = filesOf(join(folder, 'crash'))
    this.#deadline = Date.now() + (options.timeoutMs ?? 120_000)
  }

  async go(): Promise<CrashResult> {
    const first = await this.#startWorker('first')
    const handle = await this.#options.startWorkflow()
    const beside = this.#options.alongside?.(handle)
    beside?.catch(() => {})
    const ended = settle(handle.result())
    let over = false
    void ended.then(() => {
      over = true
    })
    if (this.#options.when !== 'never') await this.#crash(first, () => over)
    const outcome = await this.#wait('the run to end', async () => {
      const worker = this.#workers.at(-1)?.daemon
      if (worker && !over && !stateOf(worker.pid)) throw endedByItself(worker)
      return over ? ended : undefined
    })
    await beside
    await this.#options.beforeStop?.()
    const hit = this.#options.when === 'never' ? {} : { crashed: this.#record(this.#files.crashed) }
    const late = this.#frozen ? { late: this.#record(this.#files.late).outcome } : {}
    return { handle, outcome, mark: this.#mark, ...hit, ...late }
  }

  get #frozen(): boolean {
    return this.#options.when.startsWith('freeze')
  }

  get #mark(): string {
    const { activity, when } = this.#options
    return encodePlan({ activity, when, marker: this.#files.crashed })
  }

  async #crash(first: Daemon, over: () => boolean): Promise<void> {
    await this.#wait('the worker to crash', () => {
      const alive = stateOf(first.pid) !== undefined
      const crashed = existsSync(this.#files.crashed) || over()
      if (!crashed && !alive) throw endedByItself(first)
      return crashed
    })
    if (!existsSync(this.#files.crashed)) throw new Error('the run ended without this activity')
    await this.#wait('the worker to be gone', () => (this.#frozen ? stateOf(first.pid) === 'T' : !stateOf(first.pid)))
    await this.#startWorker('second')
    if (!this.#frozen) return
    const again = () => this.#options.when !== 'freeze-late' && existsSync(this.#files.again)
    await this.#wait('the activity to begin again', async () => over() || again() || (await this.#options.thawWhen?.()))
    process.kill(first.pid, 'SIGCONT')
    await this.#wait('the thawed activity to end', () => existsSync(this.#files.late))
  }

  /** The last lines of each worker. */
  async logs(): Promise<string> {
    const tails = this.#workers.map(async ({ name }) => {
      const text = await readFile(join(this.#folder, `${name}.log`), 'utf8')
      return `--- ${name} worker\n${text.split('\n').slice(-15).join('\n')}`
    })
    return (await Promise.all(tails)).join('\n')
  }

  async stop(): Promise<void> {
    for (const { daemon } of this.#workers) {
      // A frozen one hears nothing but this and SIGKILL.
      if (stateOf(daemon.pid) === 'T') process.kill(daemon.pid, 'SIGCONT')
      await daemon.stop({ graceMs: 15_000 })
    }
  }

  async #startWorker(name: string): Promise<Daemon> {
    const { workerEntry, workerArgs = [], env } = this.#options
    const preload = fileURLToPath(new URL('./preload.ts', import.meta.url))
    const command = {
      program: process.execPath,
      args: ['--import', preload, workerEntry, ...workerArgs],
      env: { ...env, [CRASH_ENV]: this.#mark },
    }
    const daemon = await startDaemon(command, { logFile: join(this.#folder, `${name}.log`) })
    this.#workers.push({ name, daemon })
    return daemon
  }

  #wait<T>(what: string, check: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
    return until(check, { timeoutMs: Math.max(1, this.#deadline - Date.now()), what, signal: this.#options.signal })
  }

  #record(file: string): Hit & { outcome?: 'resolved' | 'rejected' } {
    return JSON.parse(readFileSync(file, 'utf8')) as Hit & { outcome?: 'resolved' | 'rejected' }
  }
}

/** A worker that cannot even start would let the run wait until the end of all patience. */
const endedByItself = ({ pid }: Daemon) => new Error(`the worker ${pid} ended by itself`)

function settle(promise: Promise<unknown>): Promise<{ value: unknown } | { error: unknown }> {
  return promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
}

/** `T` is stopped; undefined where the process has ended, also where nobody has collected it yet. */
function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const state = stat.slice(stat.lastIndexOf(')') + 2)[0]
    return state === 'Z' || state === 'X' ? undefined : state
  } catch {
    return undefined
  }
}
