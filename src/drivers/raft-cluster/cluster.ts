/** The cluster as its API shows it: metrics, who leads, and the commands that ask it. */
import { z } from 'zod'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Command } from '../../process/command.ts'
import { run } from '../../process/run.ts'
import { until } from '../../process/wait.ts'
import type { RaftClusterConfig } from './config.ts'
import { type Node, nodesOf } from './node.ts'

const CALL_MS = 10_000
const ELECTION_MS = 60_000
const COMMAND_MS = 120_000

const infoSchema = z.looseObject({
  cluster: z.string().nullish(),
  version: z.string().optional(),
  members: z.array(z.looseObject({ id: z.union([z.string(), z.number()]), addr: z.string() })).default([]),
})
/** What the command `info` says, as far as anybody here looks at it. */
export type Info = z.infer<typeof infoSchema>

export type Metrics = Record<keyof RaftClusterConfig['metrics'], number>

/** Of one node. Undefined where it does not answer. */
export async function metricsOf(config: RaftClusterConfig, node: Node, signal?: AbortSignal): Promise<Metrics | undefined> {
  const reply = await call(`${node.url}${config.endpoints.metrics}`, 'GET', signal)
  if (!reply?.ok) return undefined
  const values = new Map<string, number>()
  for (const [, name = '', value] of (reply.text ?? '').matchAll(/^([a-zA-Z_:][\w:]*)(?:\{[^}]*\})?\s+(\S+)/gm))
    values.set(name, Number(value))
  const one = (key: keyof Metrics): [keyof Metrics, number] => [key, values.get(config.metrics[key]) ?? Number.NaN]
  const metrics = Object.fromEntries((Object.keys(config.metrics) as (keyof Metrics)[]).map(one)) as Metrics
  const lacking = (Object.keys(metrics) as (keyof Metrics)[]).filter((key) => Number.isNaN(metrics[key]))
  if (lacking.length === 0) return metrics
  throw new HoldfastError(
    'SOURCE_UNFIT',
    `${node.url}${config.endpoints.metrics} has no ${lacking.map((key) => config.metrics[key]).join(', ')}`,
    {
      object: node.url,
      next: `name it as the node does: metrics.${lacking[0]} of the source`,
    },
  )
}

export interface Reply {
  ok: boolean
  status: number
  text: string
  /** host:port that the answer sends to. */
  leader?: string
}

/** Undefined where nobody answers. Redirects are answers. */
export async function call(url: string, method: string, signal?: AbortSignal): Promise<Reply | undefined> {
  const given = AbortSignal.timeout(CALL_MS)
  try {
    const reply = await fetch(url, { method, redirect: 'manual', signal: signal ? AbortSignal.any([signal, given]) : given })
    const text = await reply.text()
    const location = reply.headers.get('location')
    return { ok: reply.ok, status: reply.status, text, ...(location && { leader: new URL(location, url).host }) }
  } catch (error) {
    if (signal?.aborted) throw new HoldfastError('CANCELLED', `${method} ${url} was cancelled`, { object: url, cause: error })
    return undefined
  }
}

/** The only node that says it leads; an old leader that does not know better yet is waited for. */
export async function leaderOf(
  config: RaftClusterConfig,
  signal?: AbortSignal,
  timeoutMs = ELECTION_MS,
): Promise<{ node: Node; metrics: Metrics }> {
  const look = async () => {
    const leaders: { node: Node; metrics: Metrics }[] = []
    for (const node of nodesOf(config)) {
      const metrics = await metricsOf(config, node, signal)
      if (metrics?.isLeader === 1) leaders.push({ node, metrics })
    }
    return leaders.length === 1 && leaders[0]
  }
  const named = nodesOf(config).map(({ addr }) => addr)
  try {
    return await until(look, { timeoutMs, everyMs: 200, what: `one of ${named.join(', ')} to lead`, ...(signal && { signal }) })
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'PROCESS_TIMEOUT') throw error
    throw new HoldfastError('SOURCE_UNREACHABLE', `no leader: ${messageOf(error)}`, {
      object: named.join(', '),
      next: 'see whether a majority of the nodes runs; where the cluster is lost: holdfast restore <source> --live --no-safety-backup',
      cause: error,
    })
  }
}

type Commands = keyof RaftClusterConfig['commands']

/** A configured command, its placeholders filled in. */
export function commandOf(config: RaftClusterConfig, name: Commands, fill: Readonly<Record<string, string>>): Command {
  const all: Record<string, string> = { admin: config.programs.admin, ...fill }
  const [program = '', ...args] = config.commands[name].map((word) => filled(word, all))
  return { program, args }
}

/** Once through the text: what is put in is not looked at again. */
export const filled = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replaceAll(/\{(\w+)\}/g, (whole, key: string) => values[key] ?? whole)

/** What it printed. */
export async function ask(
  config: RaftClusterConfig,
  name: Commands,
  fill: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<string> {
  return (await run(commandOf(config, name, fill), { timeoutMs: COMMAND_MS, ...(signal && { signal }) })).stdout
}

export async function infoOf(
  config: RaftClusterConfig,
  node: Pick<Node, 'addr'>,
  signal?: AbortSignal,
): Promise<{ info: Info; text: string }> {
  const text = await ask(config, 'info', { addr: node.addr }, signal)
  try {
    return { info: infoSchema.parse(JSON.parse(text)), text }
  } catch (error) {
    throw new HoldfastError('SOURCE_UNFIT', `what commands.info printed cannot be read: ${messageOf(error)}`, {
      object: node.addr,
      next: 'let it print JSON with cluster and members',
      cause: error,
    })
  }
}
