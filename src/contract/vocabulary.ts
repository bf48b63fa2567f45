/** Words that callers and workflows share, taken from where they are defined. */
export { POINT_KINDS } from '../core/ids.ts'
export { PROOF_DEPTHS } from '../core/records.ts'

/** Task queues: one for workflows and light steps, one for data, one per host. */
export const CONTROL_QUEUE = 'holdfast'
export const DATA_QUEUE = 'holdfast-data'
const HOST_QUEUE = 'holdfast-host-'
export const hostQueue = (host: string): string => `${HOST_QUEUE}${host}`
/** The host whose queue it is. */
export const hostOfQueue = (queue: string): string | undefined =>
  queue.startsWith(HOST_QUEUE) ? queue.slice(HOST_QUEUE.length) : undefined

/** Who may take a busy resource from whom: higher wins. Equal never does. */
export const PRIORITY = { failover: 6, rebuild: 6, restore: 5, migrate: 4, backup: 3, verify: 2, copy: 1, retention: 1 } as const
export type Work = keyof typeof PRIORITY
