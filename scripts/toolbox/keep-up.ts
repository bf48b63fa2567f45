/** Keeps one postmaster up, as systemd would: restarts it when it dies, refuses while masked, is its parent and reaps it. */
import { appendFileSync } from 'node:fs'
import { readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { startDaemon } from '../../src/process/daemon.ts'
import { postmasterCommand } from './postgres.ts'
import { type Answer, type Verb, socketOf } from './supervisor-client.ts'

/** What `<dir>/site.json` says. */
export interface SiteFile {
  dataDir: string
  binDir: string
  restartSeconds: number
}
type Daemon = Awaited<ReturnType<typeof startDaemon>>

const READY_MS = 120_000
const STOP_MS = 60_000
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** The state of one site: wanted or not, masked or not, running or not. */
class Keeper {
  private readonly dir: string
  private readonly site: SiteFile
  private wanted = false
  private masked = false
  private child: Daemon | undefined
  private lastExit: number | null | undefined
  private logFrom = 0
  private retry: NodeJS.Timeout | undefined

  constructor(dir: string, site: SiteFile) {
    this.dir = dir
    this.site = site
  }

  get logFile(): string {
    return join(this.dir, 'postgres.log')
  }

  log(line: string): void {
    appendFileSync(join(this.dir, 'supervisor.log'), `${new Date().toISOString()} ${line}\n`)
  }

  async answer(verb: Verb): Promise<Answer> {
    this.log(verb)
    switch (verb) {
      case 'start':
        return this.start()
      case 'stop':
        return this.stop()
      case 'mask':
        this.masked = true
        clearTimeout(this.retry)
        return { exitCode: 0, message: 'masked' }
      case 'unmask':
        this.masked = false
        return { exitCode: 0, message: 'unmasked' }
      case 'status':
        return this.status()
      default:
        return { exitCode: 2, message: `no such command: ${String(verb)}` }
    }
  }

  private status(): Answer {
    const state = this.child
      ? `up, postmaster ${this.child.pid}`
      : `down${this.lastExit === undefined ? '' : `, last exit ${this.lastExit}`}`
    return { exitCode: this.child ? 0 : 3, message: `${state}${this.masked ? ', masked' : ''}${this.wanted ? '' : ', not wanted'}` }
  }

  /** Synchronous: resolves once it accepts connections, or with what it said when it refused. */
  private async start(): Promise<Answer> {
    if (this.masked) return { exitCode: 4, message: 'masked: a start is refused' }
    this.wanted = true
    clearTimeout(this.retry)
    const child = this.child ?? (await this.spawn())
    const deadline = Date.now() + READY_MS
    while (this.child === child && Date.now() < deadline) {
      if (await this.ready(child.pid)) return { exitCode: 0, message: `up, postmaster ${child.pid}` }
      await pause(50)
    }
    if (this.child === child) return { exitCode: 1, message: `postmaster ${child.pid} is not ready after ${READY_MS / 1000} s` }
    return { exitCode: 1, message: `postgres exited ${this.lastExit}: ${await this.said()}` }
  }

  /** The end of what it printed since its last start. */
  private async said(): Promise<string> {
    const text = await readFile(this.logFile).catch(() => Buffer.alloc(0))
    return text.subarray(this.logFrom).toString('utf8').trim().split('\n').slice(-5).join('\n')
  }

  private async spawn(): Promise<Daemon> {
    this.logFrom = await stat(this.logFile).then(
      ({ size }) => size,
      () => 0,
    )
    const child = await startDaemon(postmasterCommand(this.site.dataDir, this.site.binDir), { logFile: this.logFile })
    this.child = child
    this.log(`started postmaster ${child.pid}`)
    void child.exited.then((code) => this.ended(child, code))
    return child
  }

  private ended(child: Daemon, code: number | null): void {
    if (this.child !== child) return
    this.child = undefined
    this.lastExit = code
    this.log(`postmaster ${child.pid} ended with ${code ?? 'a signal'}`)
    if (this.wanted && !this.masked) this.retry = setTimeout(() => void this.again(), this.site.restartSeconds * 1000)
  }

  private async again(): Promise<void> {
    if (this.wanted && !this.masked && !this.child) await this.spawn().catch((error: Error) => this.log(`restart failed: ${error.message}`))
  }

  /** The line that pg_ctl -w waits for as well. */
  private async ready(pid: number): Promise<boolean> {
    const lines = (await readFile(join(this.site.dataDir, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
    return Number(lines[0]) === pid && /^(ready|standby)\s*$/.test(lines[7] ?? '')
  }

  async stop(): Promise<Answer> {
    this.wanted = false
    clearTimeout(this.retry)
    const child = this.child
    if (!child) return { exitCode: 0, message: 'down' }
    process.kill(child.pid, 'SIGINT')
    const deadline = Date.now() + STOP_MS
    while (this.child === child && Date.now() < deadline) await pause(20)
    return this.child === child ? { exitCode: 1, message: `postmaster ${child.pid} does not stop` } : { exitCode: 0, message: 'down' }
  }

  /** Takes postgres down with it, by force when it does not go. */
  async end(): Promise<void> {
    const child = this.child
    this.wanted = false
    clearTimeout(this.retry)
    if (!child) return
    for (const [signal, ms] of [
      ['SIGINT', 5000],
      ['SIGQUIT', 5000],
      ['SIGKILL', 5000],
    ] as const) {
      process.kill(child.pid, signal)
      const deadline = Date.now() + ms
      while (this.child === child && Date.now() < deadline) await pause(20)
      if (this.child !== child) return
    }
  }
}

/** Serves the commands of `dir` until it is told to end; resolves with the exit code. */
export async function keepUp(dir: string): Promise<number> {
  const site = JSON.parse(await readFile(join(dir, 'site.json'), 'utf8')) as SiteFile
  const keeper = new Keeper(dir, site)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    createInterface(socket).once('line', (line) => {
      void keeper
        .answer(line as Verb)
        .catch((error: Error): Answer => ({ exitCode: 1, message: error.message }))
        .then((answer) => socket.end(JSON.stringify(answer)))
    })
  })
  await rm(socketOf(dir), { force: true })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socketOf(dir), resolve))
  keeper.log(`keeps ${site.dataDir} up`)
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
  await keeper.end()
  keeper.log('ended')
  server.close()
  return 0
}
