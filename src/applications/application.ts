/** Applications around a recovery: stopped so that nobody writes to what is replaced, and brought back as they were. */
import type { ApplicationConfig } from '../config/schema/applications.ts'
import { commandApplication } from './command.ts'
import { kubernetesApplication } from './kubernetes.ts'
import { systemdApplication } from './systemd.ts'

/** How it was before it was stopped. Plain data: it is kept in the history of the run. */
export interface ApplicationState {
  running: boolean
  replicas?: number
}

/** Each may be called twice: what is stopped stays stopped, what runs goes on. */
export interface Application {
  inspect(signal: AbortSignal): Promise<ApplicationState>
  /** Resolves once nothing of it runs any more. */
  stop(signal: AbortSignal): Promise<void>
  /** As it was: what did not run before is left alone. */
  start(state: ApplicationState, signal: AbortSignal): Promise<void>
}

export function openApplication(config: ApplicationConfig): Application {
  switch (config.type) {
    case 'kubernetes':
      return kubernetesApplication(config)
    case 'systemd':
      return systemdApplication(config)
    case 'command':
      return commandApplication(config)
  }
}
