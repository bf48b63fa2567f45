/** An application that is stopped and started by commands of its own. */
import type { CommandApplicationConfig } from '../config/schema/applications.ts'
import { seconds } from '../core/duration.ts'
import { run } from '../process/run.ts'
import type { Application } from './application.ts'

const ANY_CODE = Array.from({ length: 256 }, (_, code) => code)

export function commandApplication({ stop, start, running, timeout }: CommandApplicationConfig): Application {
  const timeoutMs = seconds(timeout) * 1000
  const act = async ([program = '', ...args]: string[], signal: AbortSignal, accept = [0]) =>
    run({ program, args }, { signal, timeoutMs, accept })
  return {
    inspect: async (signal) => ({ running: running === undefined || (await act(running, signal, ANY_CODE)).exitCode === 0 }),
    async stop(signal) {
      await act(stop, signal)
    },
    async start(state, signal) {
      if (state.running) await act(start, signal)
    },
  }
}
