/** What the servers of the toolbox have in common: a folder, a process that is waited for until it answers, an end that leaves nothing. */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type ErrorCode, HoldfastError, messageOf } from '../../src/core/errors.ts'
import type { Command } from '../../src/process/command.ts'
import { startDaemon } from '../../src/process/daemon.ts'
import { until } from '../../src/process/wait.ts'

export interface ServerOptions {
  /** Names the server in messages: "Redis on 127.0.0.1:20001". */
  what: string
  command: Command
  logFile: string
  /** Asked again until it is true; the process id tells the server from another one on its port. */
  answers(pid: number): Promise<boolean>
  /** Of the error where it ends instead; PROCESS_FAILED by default. */
  code?: ErrorCode
  /** Runs after the server ended, also where its start failed. */
  cleanUp(): Promise<void>
}

export interface Server {
  pid: number
  /** Resolves once the server and its children are gone; may be called twice. */
  stop(): Promise<void>
}

/** Where a server keeps what it has: the folder that is named, which stays, or a temporary one that `remove` takes away. */
export async function serverFolder(named: string | undefined, prefix: string): Promise<{ dir: string; remove(): Promise<void> }> {
  const dir = named ? resolve(named) : await mkdtemp(join(tmpdir(), prefix))
  await mkdir(dir, { recursive: true })
  return { dir, remove: async () => (named ? undefined : rm(dir, { recursive: true, force: true })) }
}

/** Starts the server; resolves once it answers, and throws with the end of its log where it ends before that. */
export async function startServer({ what, command, logFile, answers, code = 'PROCESS_FAILED', cleanUp }: ServerOptions): Promise<Server> {
  const daemon = await startDaemon(command, { logFile }).catch(async (error: unknown) => {
    await cleanUp()
    throw error
  })
  const stop = async () => {
    await daemon.stop()
    await cleanUp()
  }
  let ended = false
  void daemon.exited.then(() => {
    ended = true
  })
  try {
    await until(async () => ended || (await answers(daemon.pid)), { timeoutMs: 90_000, what })
    if (ended) throw new HoldfastError(code, `${what} ended at once: ${await tail(logFile)}`, { object: what })
  } catch (error) {
    await stop()
    throw error
  }
  return { pid: daemon.pid, stop }
}

async function tail(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => messageOf(error))
  return text.trim().split('\n').slice(-5).join(' | ')
}
