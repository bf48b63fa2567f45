/** Temporal: reachable, knows our search attributes, runs our schedules, and has a worker on every queue. */
import type { Client } from '@temporalio/client'
import type { Config } from '../../config/schema.ts'
import { CONTROL_QUEUE, DATA_QUEUE, hostQueue } from '../../contract/vocabulary.ts'
import { connectClient, connectionSettings } from '../../temporal/connection.ts'
import { reconcileSchedules } from '../../temporal/schedules.ts'
import { missingAttributes } from '../attributes.ts'
import type { Findings } from './finding.ts'
import { tlsOfTemporal } from './tls.ts'

export async function examineTemporal(config: Config, findings: Findings): Promise<void> {
  const { address, namespace } = config.temporal
  const { detail, next } = tlsOfTemporal(address, Boolean(connectionSettings(address)?.tls))
  findings.say(!next, address, 'TLS', detail, next ?? '')
  await findings.guard(address, 'reachable', async () => {
    const client = await connectClient(config.temporal)
    try {
      await client.connection.workflowService.describeNamespace({ namespace })
      findings.well(address, 'reachable', `the namespace ${namespace} answers`)
      await findings.guard(namespace, 'search attributes', () => examineAttributes(client, namespace, findings))
      await findings.guard(namespace, 'schedules', () => examineSchedules(client, config, findings))
      for (const { queue, roles } of queuesOf(config)) {
        await findings.guard(queue, 'worker', () => examineQueue(client, namespace, { queue, roles }, findings))
      }
    } finally {
      await client.connection.close()
    }
  })
}

async function examineAttributes(client: Client, namespace: string, findings: Findings): Promise<void> {
  const missing = await missingAttributes(client)
  const detail = missing.length === 0 ? 'all are known' : `${missing.join(', ')} are not known: runs that set them fail`
  findings.say(missing.length === 0, namespace, 'search attributes', detail, 'holdfast apply')
}

async function examineSchedules(client: Client, config: Config, findings: Findings): Promise<void> {
  const { create, update, delete: gone, unchanged } = await reconcileSchedules(client, config, { dryRun: true })
  const differing = [...create, ...update, ...gone]
  const detail =
    differing.length === 0
      ? `${unchanged.length} are as the configuration says`
      : `${differing.join(', ')} are not as the configuration says`
  findings.say(differing.length === 0, config.temporal.namespace, 'schedules', detail, 'holdfast apply --dry-run, then holdfast apply')
}

interface Queue {
  queue: string
  /** What a worker is started with to serve it. */
  roles: string
}

/** Every queue that some run of this configuration needs. */
export function queuesOf({ sources, failoverGroups }: Config): Queue[] {
  const all = Object.values(sources)
  const hosts = [
    ...all.flatMap(({ host }) => host ?? []),
    ...Object.values(failoverGroups).flatMap(({ sites }) => Object.values(sites).map(({ host }) => host)),
  ]
  return [
    { queue: CONTROL_QUEUE, roles: 'control' },
    ...(all.some(({ host }) => host === undefined) ? [{ queue: DATA_QUEUE, roles: 'data' }] : []),
    ...[...new Set(hosts)].map((host) => ({ queue: hostQueue(host), roles: `host:${host}` })),
  ]
}

/** As the protocol numbers it. */
const ACTIVITIES = 2

async function examineQueue(client: Client, namespace: string, { queue, roles }: Queue, findings: Findings): Promise<void> {
  const { pollers } = await client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: queue }, taskQueueType: ACTIVITIES })
  const served = (pollers ?? []).length > 0
  findings.say(
    served,
    queue,
    'worker',
    served ? `${pollers.length} at work` : 'no worker serves it',
    `start one: holdfast worker --roles ${roles}`,
  )
}
