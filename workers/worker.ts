/** A worker process: one connection, one Temporal worker for each queue that its roles serve, an orderly end. */
import { Client } from '@temporalio/client'
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker'
import { createAdoptActivities } from '../activities/adopt.ts'
import { createApplicationActivities } from '../activities/applications.ts'
import { createBackupActivities } from '../activities/backup.ts'
import { createCopyActivities } from '../activities/copies.ts'
import { ErrorInterceptor } from '../activities/errors.ts'
import { HeartbeatInterceptor } from '../activities/heartbeat.ts'
import { createEvidenceActivities } from '../activities/evidence.ts'
import { createHostActivities } from '../activities/host.ts'
import { createKeyActivities } from '../activities/keys.ts'
import { createLockActivities } from '../activities/lock.ts'
import { createMigrateActivities } from '../activities/migrate.ts'
import { createPairActivities } from '../activities/pair.ts'
import { createProofActivities } from '../activities/proof.ts'
import { createRecoverActivities } from '../activities/recover.ts'
import { createRestoreActivities } from '../activities/restore.ts'
import { createRetentionActivities } from '../activities/retention.ts'
import { createSetActivities } from '../activities/sets.ts'
import { StragglerInterceptor } from '../activities/straggler.ts'
import type { Config } from '../src/config/schema.ts'
import { CONTROL_QUEUE, DATA_QUEUE, hostQueue } from '../src/contract/vocabulary.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { connectionSettings, unreachable } from '../src/temporal/connection.ts'
import { createServices } from './services.ts'
import { bundleWorkflows } from './workflows.ts'

export interface WorkerRoles {
  control: boolean
  data: boolean
  hosts: string[]
}

export interface RunningWorker {
  /** Resolves when the worker has ended, rejects when it failed. */
  ended: Promise<void>
  stop(): Promise<void>
}

/** `control,data,host:db1` as roles. */
export function parseRoles(text: string): WorkerRoles {
  const roles: WorkerRoles = { control: false, data: false, hosts: [] }
  for (const word of text.split(',').map((part) => part.trim())) {
    if (word === 'control' || word === 'data') roles[word] = true
    else if (/^host:[a-z0-9_-]+$/.test(word)) roles.hosts.push(word.slice('host:'.length))
    else
      throw new HoldfastError('INPUT_INVALID', `No role "${word}": roles are control, data and host:<name>`, {
        object: word,
        next: 'give them like control,data,host:db1',
      })
  }
  return roles
}

export async function startWorker(
  config: Config,
  roles: WorkerRoles,
  extra: Pick<WorkerOptions, 'interceptors'> = {},
): Promise<RunningWorker> {
  const connection = await NativeConnection.connect(connectionSettings(config.temporal.address)).catch((error: unknown) => {
    throw unreachable(config.temporal.address, error)
  })
  const client = new Client({ connection, namespace: config.temporal.namespace })
  const services = createServices(config, client)
  const queues: WorkerOptions[] = []
  const common = {
    connection,
    namespace: config.temporal.namespace,
    // The default would hold a cancel back for 8 of the 10 s that a pre-empted run has to let go.
    maxHeartbeatThrottleInterval: '2s',
    shutdownGraceTime: '5s',
    shutdownForceTime: '20s',
    ...interceptors(extra),
  } as const
  const data = {
    ...createAdoptActivities(services),
    ...createApplicationActivities(services),
    ...createBackupActivities(services),
    ...createCopyActivities(services),
    ...createProofActivities(services),
    ...createRetentionActivities(services),
    ...createKeyActivities(services),
    ...createRecoverActivities(services),
    ...createRestoreActivities(services),
    ...createMigrateActivities(services),
    ...createSetActivities(services),
  }
  const control = { ...data, ...createLockActivities(services), ...createEvidenceActivities(services), ...createPairActivities(services) }
  if (roles.control) {
    // A killed worker's sticky queue is waited for: a failover cannot afford the default of ten seconds.
    queues.push({
      ...common,
      taskQueue: CONTROL_QUEUE,
      activities: control,
      ...(await workflows()),
      stickyQueueScheduleToStartTimeout: '1s',
      maxConcurrentActivityTaskExecutions: 20,
    })
  }
  // Memory of a data worker is about slots × 4 parts in flight × part size.
  if (roles.data) queues.push({ ...common, taskQueue: DATA_QUEUE, activities: data, maxConcurrentActivityTaskExecutions: 2 })
  for (const host of roles.hosts)
    queues.push({
      ...common,
      taskQueue: hostQueue(host),
      activities: { ...data, ...createHostActivities(services) },
      maxConcurrentActivityTaskExecutions: 4,
    })
  if (queues.length === 0)
    throw new HoldfastError('INPUT_INVALID', 'A worker needs at least one role', { next: 'holdfast worker --roles control,data' })

  const workers = await Promise.all(queues.map((options) => Worker.create(options)))
  const stop = () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown()
  }
  const ended = Promise.all(workers.map((worker) => worker.run().finally(stop)))
    .then(() => undefined)
    .finally(async () => {
      await services.close()
      await connection.close()
    })
  return {
    ended,
    async stop() {
      stop()
      await ended
    },
  }
}

function interceptors(extra: Pick<WorkerOptions, 'interceptors'>): Pick<WorkerOptions, 'interceptors'> {
  return {
    interceptors: {
      ...extra.interceptors,
      activity: [
        ...(extra.interceptors?.activity ?? []),
        () => ({ inbound: new HeartbeatInterceptor() }),
        () => ({ inbound: new ErrorInterceptor() }),
        () => ({ inbound: new StragglerInterceptor() }),
      ],
    },
  }
}

/** Unless they were bundled beforehand: it takes seconds. */
async function workflows(): Promise<Pick<WorkerOptions, 'workflowBundle'>> {
  const codePath = process.env['HOLDFAST_WORKFLOW_BUNDLE']
  return { workflowBundle: codePath ? { codePath } : { code: await bundleWorkflows() } }
}
