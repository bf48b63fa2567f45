/** One node of the stand-in for Neumann as a process that can be stopped, killed and started again. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Daemon, startDaemon } from '../../../../src/process/daemon.ts'
import { until } from '../../../../src/process/wait.ts'
import type { Fault } from './faults.ts'

export interface NeumannNode {
  id: number
  url: string
  /** Holds etc/, raft/ and store/. */
  dir: string
  readonly pid: number
  readonly running: boolean
  /** Resolves once it answers; throws with what it said where it ends instead. */
  start(): Promise<void>
  /** May be called twice. */
  stop(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** Holds until the next call; `{}` ends it. */
  fail(fault: Fault): Promise<void>
}

export function createNode(id: number, addr: string, dir: string): NeumannNode {
  const url = `http://${addr}`
  const logFile = join(dir, 'node.log')
  let daemon: Daemon | undefined

  const start = async () => {
    const started = await startDaemon({ program: process.execPath, args: [join(import.meta.dirname, 'main.ts'), dir] }, { logFile })
    daemon = started
    let ended = false
    void started.exited.then(() => {
      ended = true
      if (daemon === started) daemon = undefined
    })
    const answers = () =>
      fetch(`${url}/raft/status`).then(
        ({ ok }) => ok,
        () => false,
      )
    try {
      await until(async () => ended || (await answers()), { timeoutMs: 60_000, what: `node ${id} of Neumann on ${url}` })
    } catch (error) {
      await started.stop()
      throw error
    }
    if (ended) throw new Error(`node ${id} of Neumann ended at once: ${(await readFile(logFile, 'utf8')).slice(-1000)}`)
  }
  const end = async (signal: NodeJS.Signals) => {
    await daemon?.stop({ signal })
    daemon = undefined
  }
  return {
    id,
    url,
    dir,
    get pid() {
      return daemon?.pid ?? 0
    },
    get running() {
      return daemon !== undefined
    },
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    fail: async (fault) => {
      await fetch(`${url}/_stand-in/fault`, { method: 'POST', body: JSON.stringify(fault) })
    },
  }
}
