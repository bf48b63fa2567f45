/** Options of activities, one group for each kind of work. Cancellation types are always stated: unset behaves as TRY_CANCEL. */
import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow'
import { CONTROL_QUEUE, DATA_QUEUE, hostQueue } from '../../src/contract/vocabulary.ts'

const wait = { cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED }

/** Small calls: the catalogue, the lock, DNS. */
export const control: ActivityOptions = {
  ...wait,
  taskQueue: CONTROL_QUEUE,
  startToCloseTimeout: '2m',
  heartbeatTimeout: '12s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '20s', maximumAttempts: 6 },
}
/** Bytes: few attempts, and a heartbeat short enough that a pre-emption gets through within ten seconds. */
const movement: ActivityOptions = {
  ...wait,
  startToCloseTimeout: '24h',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '2s', backoffCoefficient: 3, maximumInterval: '1m', maximumAttempts: 4 },
}
export const data: ActivityOptions = { ...movement, taskQueue: DATA_QUEUE }
export const dataOn = (host: string | undefined): ActivityOptions =>
  host ? { ...movement, taskQueue: hostQueue(host), scheduleToStartTimeout: '90s' } : data
/** A step on one host of a pair: a host whose worker does not answer is a finding, not a wait. */
export const onHost = (host: string, timeout: { start?: string; close?: string } = {}): ActivityOptions => ({
  ...wait,
  taskQueue: hostQueue(host),
  scheduleToStartTimeout: (timeout.start ?? '15s') as never,
  startToCloseTimeout: (timeout.close ?? '5m') as never,
  heartbeatTimeout: '10s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '10s', maximumAttempts: 3 },
})
/** Undoing goes on until it is done, except on a host whose worker is away: then the run ends and says what it left there. */
export const compensation: ActivityOptions = {
  ...wait,
  taskQueue: CONTROL_QUEUE,
  startToCloseTimeout: '5m',
  heartbeatTimeout: '30s',
  retry: { initialInterval: '1s', maximumInterval: '30s' },
}
/** Short: what waits for the lock that is held meanwhile may be a failover, and the host that is away the reason for it. */
export const undoOn = (host: string | undefined): ActivityOptions =>
  host
    ? { ...compensation, taskQueue: hostQueue(host), scheduleToStartTimeout: '15s', heartbeatTimeout: '10s' }
    : { ...compensation, taskQueue: DATA_QUEUE }
