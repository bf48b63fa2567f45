/** A unit of systemd. */
import type { SystemdConfig } from '../config/schema/applications.ts'
import { seconds } from '../core/duration.ts'
import { HoldfastError } from '../core/errors.ts'
import { run } from '../process/run.ts'
import type { Application } from './application.ts'

/** What `is-active` ends with for a unit that does not run. */
const INACTIVE = 3

export function systemdApplication({ unit, timeout }: SystemdConfig): Application {
  const timeoutMs = seconds(timeout) * 1000
  const systemctl = (signal: AbortSignal, args: string[], accept = [0]) =>
    run({ program: 'systemctl', args }, { signal, timeoutMs, accept })
  const state = async (signal: AbortSignal) => (await systemctl(signal, ['is-active', unit], [0, INACTIVE])).stdout.trim()
  return {
    inspect: async (signal) => ({ running: ['active', 'activating', 'reloading'].includes(await state(signal)) }),
    async stop(signal) {
      await systemctl(signal, ['stop', unit])
    },
    async start({ running }, signal) {
      if (!running) return
      await systemctl(signal, ['start', unit])
      const now = await state(signal)
      if (now === 'active') return
      throw new HoldfastError('CHECK_FAILED', `${unit} was started and is ${now}`, { object: unit, next: `systemctl status ${unit}` })
    },
  }
}
