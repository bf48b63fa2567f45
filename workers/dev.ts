/** `holdfast dev`: a Temporal server and a worker in every role, in one process tree; Ctrl-C stops both. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DevOptions } from '../src/cli/context.ts'
import { loadConfig } from '../src/config/load.ts'
import type { Config } from '../src/config/schema.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { type Daemon, startDaemon } from '../src/process/daemon.ts'
import { programOf } from '../src/process/find.ts'
import { until } from '../src/process/wait.ts'
import { connectClient } from '../src/temporal/connection.ts'
import { registerSearchAttributes } from '../src/temporal/search-attributes.ts'
import { installRuntime } from './runtime.ts'
import { parseRoles, startWorker } from './worker.ts'

const START_MS = 60_000

/** Resolves once both have ended, in order: the worker first. */
export async function dev({ configFile, dbFile, uiPort, onReady }: DevOptions): Promise<void> {
  const config = await loadConfig(configFile)
  const { address } = config.temporal
  const stopping = new AbortController()
  const stop = () => stopping.abort(new Error('stopped'))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop)
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-dev-'))
  const logFile = join(folder, 'temporal.log')
  let server: Daemon | undefined
  try {
    const place = await placeOf(config, uiPort)
    server = await startDaemon(serverCommand({ ...place, dbFile, namespace: config.temporal.namespace }), { logFile })
    if (!(await serves(config, server, logFile, stopping.signal))) return
    const roles = allRoles(config)
    installRuntime()
    const worker = await startWorker(config, parseRoles(roles))
    onReady({ address, uiUrl: `http://${place.ip}:${place.uiPort}`, roles })
    await Promise.race([stopped(stopping.signal), worker.ended, server.exited])
    await worker.stop()
    if (!stopping.signal.aborted) throw ended(address, await tail(logFile))
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop)
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** The configured address, where nobody answers yet. */
async function placeOf(config: Config, uiPort: number | undefined): Promise<{ ip: string; port: number; uiPort: number }> {
  const { address } = config.temporal
  const found = /^(127\.[\d.]+|localhost|\[::1\]):(\d+)$/.exec(address)
  if (!found) {
    const next = 'set temporal.address to 127.0.0.1:7233, or run holdfast worker against the server there'
    throw new HoldfastError('CONFIG_INVALID', `holdfast dev starts Temporal on this machine only, and temporal.address is ${address}`, {
      object: address,
      next,
    })
  }
  const ip = found[1] === 'localhost' ? '127.0.0.1' : (found[1] ?? '').replace(/[[\]]/g, '')
  const port = Number(found[2])
  if (await listens(ip, port)) {
    throw new HoldfastError('BUSY', `somebody listens on ${address} already`, {
      object: address,
      next: 'use that server with holdfast worker, or choose another temporal.address',
    })
  }
  return { ip, port, uiPort: uiPort ?? (port < 64_000 ? port + 1000 : port - 1000) }
}

function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const answer = (open: boolean) => {
      socket.destroy()
      resolve(open)
    }
    socket.once('connect', () => answer(true)).once('error', () => answer(false))
  })
}

function serverCommand(place: { ip: string; port: number; uiPort: number; dbFile: string | undefined; namespace: string }) {
  const args = [
    'server',
    'start-dev',
    '--ip',
    place.ip,
    '--port',
    String(place.port),
    '--ui-port',
    String(place.uiPort),
    '--log-level',
    'error',
  ]
  if (place.dbFile) args.push('--db-filename', place.dbFile)
  if (place.namespace !== 'default') args.push('--namespace', place.namespace)
  return { program: temporalProgram(), args }
}

/** On PATH, or where the toolbox keeps what it builds. */
function temporalProgram(): string {
  const cached = join(process.env['HOLDFAST_CACHE'] || join(homedir(), '.cache', 'holdfast'), 'bin', 'temporal')
  for (const program of ['temporal', cached]) {
    try {
      return programOf({ program })
    } catch {}
  }
  throw new HoldfastError('TOOL_MISSING', `the program temporal is neither on PATH nor at ${cached}`, {
    object: 'temporal',
    next: 'npm run toolbox -- temporal builds it; or put the Temporal CLI on PATH',
  })
}

/** True once runs can be started there; false where it was told to stop before. */
async function serves(config: Config, server: Daemon, logFile: string, signal: AbortSignal): Promise<boolean> {
  let gone = false
  void server.exited.then(() => {
    gone = true
  })
  const ready = async () => {
    if (gone) throw ended(config.temporal.address, await tail(logFile))
    const client = await connectClient(config.temporal).catch(() => undefined)
    if (!client) return false
    try {
      await client.connection.workflowService.describeNamespace({ namespace: config.temporal.namespace })
      await registerSearchAttributes(client)
      return true
    } catch {
      return false
    } finally {
      await client.connection.close()
    }
  }
  return until(ready, { timeoutMs: START_MS, what: `Temporal on ${config.temporal.address}`, signal }).catch((error: unknown) => {
    if (signal.aborted) return false
    throw error
  })
}

/** Every role that the configuration needs. */
function allRoles({ sources, failoverGroups }: Config): string {
  const hosts = [
    ...Object.values(sources).flatMap(({ host }) => host ?? []),
    ...Object.values(failoverGroups).flatMap(({ sites }) => Object.values(sites).map(({ host }) => host)),
  ]
  return ['control', 'data', ...new Set(hosts.map((host) => `host:${host}`))].join(',')
}

const stopped = (signal: AbortSignal) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))

const ended = (address: string, said: string) =>
  new HoldfastError('TEMPORAL_UNREACHABLE', `the Temporal server on ${address} has ended: ${said || 'it said nothing'}`, {
    object: address,
    next: 'see whether its ports are free: holdfast dev --ui-port <port>',
  })

async function tail(file: string): Promise<string> {
  return (await readFile(file, 'utf8').catch(() => '')).trim().split('\n').slice(-5).join(' | ')
}
