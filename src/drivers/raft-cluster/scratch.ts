/** One node on a copy of a restored point, alone in a cluster of its own: on loopback, on a port of its own, with no archive. */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { markOf, stopMarked } from '../../process/marked.ts'
import { run } from '../../process/run.ts'
import { until } from '../../process/wait.ts'
import { ask, filled, leaderOf, metricsOf } from './cluster.ts'
import type { RaftClusterConfig } from './config.ts'
import { configIn, dataIn, nodeIn } from './places.ts'

/** A source of a single node: that one. */
export type Alone = RaftClusterConfig

const NOTE = 'node.json'
const LOG = 'node.log'
const ENDED = 'node.ended'
const START_MS = 300_000

const aloneAt = (config: RaftClusterConfig, dir: string, addr: string): Alone => ({
  ...config,
  nodes: { scratch: { url: `http://${addr}`, dataDir: nodeIn(dir), configDir: configIn(nodeIn(dir), config), shell: ['sh', '-c'] } },
})

/** The node that runs in the folder, or undefined where none answers. */
export async function runningIn(config: RaftClusterConfig, dir: string, signal?: AbortSignal): Promise<Alone | undefined> {
  const addr = await readFile(join(dir, NOTE), 'utf8').catch(() => undefined)
  if (addr === undefined) return undefined
  const alone = aloneAt(config, dir, addr)
  const [node] = Object.entries(alone.nodes).map(([name, one]) => ({ ...one, name, addr }))
  return node && (await metricsOf(alone, node, signal)) ? alone : undefined
}

/** A folder that a node may write to: what was restored stays as it is. */
export async function copyForNode(config: RaftClusterConfig, dir: string): Promise<void> {
  const node = nodeIn(dir)
  await stopMarked(dir)
  await rm(node, { recursive: true, force: true })
  await cp(dataIn(dir), node, { recursive: true, preserveTimestamps: true })
  const { scratch } = config
  const files = Object.entries(scratch?.config ?? {})
  if (files.length === 0) return
  const addr = `127.0.0.1:${await freePort()}`
  const [host = '', port = ''] = addr.split(':')
  const folder = configIn(node, config)
  // The configuration that was captured names the other nodes, and an archive that is not for this one.
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const values = { addr, host, port, dataDir: node }
  for (const [name, text] of files) await writeFile(join(folder, name), filled(text, values))
  await writeFile(join(dir, NOTE), addr)
}

/** Starts it, or leaves it as it runs. Throws PROCESS_FAILED with the end of its log where it does not come up. */
export async function startNode(config: RaftClusterConfig, dir: string, signal: AbortSignal): Promise<Alone> {
  const { scratch } = config
  if (!scratch) throw new HoldfastError('CONFIG_INVALID', 'the source has no scratch.start', { object: 'scratch.start' })
  const running = await runningIn(config, dir, signal)
  if (running) return running
  const addr = (await readFile(join(dir, NOTE), 'utf8').catch(() => undefined)) ?? `127.0.0.1:${await freePort()}`
  await writeFile(join(dir, NOTE), addr)
  const [host = '', port = ''] = addr.split(':')
  const node = nodeIn(dir)
  const values = { addr, host, port, dataDir: node, configDir: configIn(node, config) }
  const words = scratch.start.map((word) => filled(word, values))
  await rm(join(dir, ENDED), { force: true })
  // It outlives this call, and is found again by its mark.
  const script = `( "$@" </dev/null >>${LOG} 2>&1; echo $? >${ENDED} ) </dev/null >/dev/null 2>&1 &`
  await run({ program: 'setsid', args: ['sh', '-c', script, 'sh', ...words], cwd: dir, env: markOf(dir) }, { signal })
  const alone = aloneAt(config, dir, addr)
  await until(async () => (await hasEnded(dir)) || (await runningIn(config, dir, signal)) !== undefined, {
    timeoutMs: START_MS,
    everyMs: 100,
    what: `the node in ${dir} to answer`,
    signal,
  })
  if (await hasEnded(dir)) throw await notStarted(dir)
  if (scratch.bootstrap) await ask(alone, 'bootstrap', { addr }, signal)
  await leaderOf(alone, signal)
  return alone
}

const hasEnded = (dir: string): Promise<boolean> =>
  readFile(join(dir, ENDED)).then(
    () => true,
    () => false,
  )

async function notStarted(dir: string): Promise<HoldfastError> {
  const log = await readFile(join(dir, LOG), 'utf8').catch(() => '')
  const said = log.trimEnd().split('\n').slice(-6).join(' | ')
  return new HoldfastError('PROCESS_FAILED', `the node in ${dir} ended: ${said.slice(-1000)}`, {
    object: dir,
    next: `read ${join(dir, LOG)}`,
  })
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer()
    server.once('error', fail)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
