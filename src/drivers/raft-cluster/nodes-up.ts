/** The nodes of a cluster stopped and started by their services, and seen to be so. */
import { seconds } from '../../core/duration.ts'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { run } from '../../process/run.ts'
import { until, type UntilOptions } from '../../process/wait.ts'
import type { DriverContext } from '../driver.ts'
import { ask, call, commandOf, infoOf, leaderOf, metricsOf } from './cluster.ts'
import type { RaftClusterConfig } from './config.ts'
import { doOn, line, type Node, nodesOf } from './node.ts'
import { fact } from './parts.ts'

const SERVICE_MS = 300_000

async function service(node: Node, what: 'stop' | 'start', signal?: AbortSignal): Promise<void> {
  const [program, ...args] = node.service?.[what] ?? []
  if (program === undefined) throw new HoldfastError('SOURCE_UNFIT', `nodes.${node.name} has no service.${what}`, { object: node.name })
  await run({ program, args }, { timeoutMs: SERVICE_MS, ...(signal && { signal }) })
}

/** None answers any more once this resolves. */
export async function stopAll(config: RaftClusterConfig, signal?: AbortSignal): Promise<void> {
  await Promise.all(nodesOf(config).map((node) => service(node, 'stop', signal)))
  for (const node of nodesOf(config))
    await until(async () => (await call(`${node.url}${config.endpoints.metrics}`, 'GET', signal)) === undefined, {
      timeoutMs: SERVICE_MS,
      everyMs: 200,
      what: `${node.name} to be stopped: its service.stop ended, and it still answers on ${node.url}`,
      ...(signal && { signal }),
    })
}

export const startNode = (node: Node, signal?: AbortSignal): Promise<void> => service(node, 'start', signal)

/** The first holds what was captured; then the others are started, and follow until all hold the same. */
export async function comeUp(
  config: RaftClusterConfig,
  manifest: Manifest,
  { first, bootstrap }: { first: Node; bootstrap: boolean },
  context?: DriverContext,
): Promise<void> {
  const signal = context?.signal
  const waiting = { timeoutMs: seconds(config.startTimeout) * 1000, everyMs: 200, ...(signal && { signal }) }
  const least = Number(fact(manifest, 'snapshot', 'entries at least') ?? 0)
  const entries = async (node: Node) => (await metricsOf(config, node, signal))?.totalEntries
  let seen: number | undefined
  await until(
    async () => {
      seen = await entries(first)
      return seen !== undefined && seen >= least
    },
    { ...waiting, what: `${first.name} to hold at least ${least} entries` },
  ).catch((error: unknown) => {
    throw told(error, seen === undefined ? `${first.name} does not answer` : `${first.name} holds ${seen}`)
  })
  if (bootstrap) await makeCluster(config, first, waiting)
  for (const node of nodesOf(config)) {
    if (node.name === first.name) continue
    context?.onProgress({ phase: `start ${node.name}` })
    await startNode(node, signal)
  }
  context?.onProgress({ phase: 'the nodes sync' })
  await leaderOf(config, signal, waiting.timeoutMs)
  const counts = new Map<string, number | undefined>()
  await until(
    async () => {
      for (const node of nodesOf(config)) counts.set(node.name, await entries(node))
      return [...counts.values()].every((count) => count !== undefined && count >= least && count === counts.get(first.name))
    },
    { ...waiting, what: 'all nodes to hold the same entries' },
  ).catch((error: unknown) => {
    throw told(error, [...counts].map(([name, count]) => `${name} ${count ?? 'does not answer'}`).join(', '))
  })
  await requireSound(config, first, waiting)
}

/** By the engine's own word: its status, and the files of each node. */
async function requireSound(config: RaftClusterConfig, first: Node, waiting: Omit<UntilOptions, 'what'>): Promise<void> {
  const { signal } = waiting
  const status = commandOf(config, 'status', { addr: first.addr })
  let said = ''
  const healthy = async () => {
    try {
      await run(status, { timeoutMs: SERVICE_MS, ...(signal && { signal }) })
      return true
    } catch (error) {
      if (signal?.aborted) throw error
      said = messageOf(error)
      return false
    }
  }
  await until(healthy, { ...waiting, what: 'the cluster to be healthy' }).catch((error: unknown) => {
    throw told(error, said)
  })
  for (const node of nodesOf(config)) {
    const { program, args } = commandOf(config, 'verifyChecksums', { dataDir: node.dataDir })
    await doOn(node, line(program, ...args), { signal })
  }
}

/** Of what a node holds whose members have other addresses now. One that a killed try made is there already. */
async function makeCluster(config: RaftClusterConfig, first: Node, { signal }: { signal?: AbortSignal }): Promise<void> {
  const before = (await infoOf(config, first, signal)).info
  if (before.initialized === true) return
  await ask(config, 'bootstrap', { addr: first.addr }, signal)
}

function told(error: unknown, what: string): unknown {
  if (!(error instanceof HoldfastError) || error.code !== 'PROCESS_TIMEOUT') return error
  return new HoldfastError('PROCESS_TIMEOUT', `${messageOf(error)}: ${what}`, { object: error.object ?? '', cause: error })
}
