/** Starts a stand-in for one server as a process of its own, which its tests can order faults from. */
import { basename, dirname, join } from 'node:path'
import { freePort } from '../../../scripts/toolbox/ports.ts'
import { type Server, serverFolder, startServer } from '../../../scripts/toolbox/server.ts'
import type { Fault } from './qdrant/faults.ts'

export interface StandInOptions {
  /** A temporary folder, which stop() removes, by default. */
  dir?: string
  port?: number
  latencyMs?: number
}

export interface StandIn extends Server {
  url: string
  port: number
  /** Everything that it stores. */
  dir: string
  /** The next request that fits meets the fault. */
  fail(fault: Fault): Promise<void>
}

export interface StandInProgram {
  /** What it stands in for. */
  name: string
  main: string
  /** Answers well once it is ready. */
  ready: string
  env?: Record<string, string>
}

/** Resolves once it answers. Started again on the same `dir` it has what it had. */
export async function startStandIn({ name, main, ready, env = {} }: StandInProgram, options: StandInOptions): Promise<StandIn> {
  const port = options.port ?? (await freePort())
  const url = `http://127.0.0.1:${port}`
  const { dir, remove } = await serverFolder(options.dir, `holdfast-${basename(dirname(main))}-`)
  const args = [main, '--dir', dir, '--port', String(port), '--latency', String(options.latencyMs ?? 0)]
  const server = await startServer({
    what: `the stand-in for ${name} on ${url}`,
    command: { program: process.execPath, args, env },
    logFile: join(dir, 'stand-in.log'),
    answers: () =>
      fetch(`${url}${ready}`).then(
        ({ ok }) => ok,
        () => false,
      ),
    cleanUp: remove,
  })
  const fail = async (fault: Fault) => {
    await fetch(`${url}/_stand-in/fault`, { method: 'POST', body: JSON.stringify(fault) })
  }
  return { url, port, dir, fail, ...server }
}
