/** A program that is to run until it is stopped: a server. */
import { closeSync, openSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { type Command, describe } from './command.ts'
import { cancelled } from './failure.ts'
import { launch } from './launch.ts'
import { type TerminateOptions, terminate } from './terminate.ts'

export interface DaemonOptions {
  /** What it prints is appended here; the folder exists. */
  logFile: string
  /** Stops it when aborted. */
  signal?: AbortSignal
}

export interface Daemon {
  pid: number
  /** The exit code, or null where a signal ended it. Never rejects. */
  exited: Promise<number | null>
  /** Resolves once it and its children are gone; may be called twice. */
  stop(options?: TerminateOptions): Promise<void>
}

/** Resolves once it is started, which is not yet ready: wait for that with `until`. It dies with the worker. */
export async function startDaemon(command: Command, { logFile, signal }: DaemonOptions): Promise<Daemon> {
  if (signal?.aborted) throw cancelled(describe(command), signal)
  const log = openSync(logFile, 'a', 0o640)
  try {
    // The kernel's tie is to the starting thread: from a short-lived one it would end the server too early.
    const launched = launch(command, [command.stdin === undefined ? 'ignore' : 'pipe', log, log], { tied: isMainThread })
    launched.child.stdin?.on('error', () => {})
    launched.child.stdin?.end(command.stdin)
    const stop = (options?: TerminateOptions) => terminate(launched, options)
    const onAbort = () => {
      stop().catch(() => {})
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    const exited = launched.exited.then(({ code }) => {
      signal?.removeEventListener('abort', onAbort)
      return code
    })
    return { pid: launched.pid, exited, stop }
  } finally {
    closeSync(log)
  }
}
