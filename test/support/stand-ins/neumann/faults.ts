/** Faults that a test orders with POST /_stand-in/fault: they hold until the next order; `{}` ends them. */
import { Refused } from './errors.ts'

export interface Fault {
  /** How long snapshots take, in the place of `snapshot_ms`. */
  snapshotMs?: number
  snapshot?: 'fails'
  /** Neither an entry nor a snapshot can be written. */
  disk?: 'full'
}

export class Faults {
  current: Fault = {}

  checkDisk(): void {
    if (this.current.disk === 'full') throw new Refused(507, 'ENOSPC: no space left on device')
  }
}
