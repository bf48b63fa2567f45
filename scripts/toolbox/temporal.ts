/** A Temporal server of one's own: the dev server, on loopback, in memory or on a file. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Connection } from '@temporalio/client'
import { HoldfastError, messageOf } from '../../src/core/errors.ts'
import { startDaemon } from '../../src/process/daemon.ts'
import { until } from '../../src/process/wait.ts'
import { findProgram } from './find.ts'
import { freePort } from './ports.ts'

/** Types the server knows; sqlite takes at most 10 Keyword, 3 Int and 3 KeywordList. */
export type SearchAttributeType = 'Text' | 'Keyword' | 'Int' | 'Double' | 'Bool' | 'Datetime' | 'KeywordList'

export interface TemporalOptions {
  /** Keeps its state there, and finds it again; without it everything is in memory. */
  dbFile?: string
  ip?: string
  port?: number
  /** The web UI costs memory: only where somebody looks. */
  ui?: boolean
  uiPort?: number
  searchAttributes?: Readonly<Record<string, SearchAttributeType>>
  /** Name of further settings to their JSON value. */
  dynamicConfig?: Readonly<Record<string, string>>
}

export interface TemporalServer {
  address: string
  uiUrl?: string
  namespace: 'default'
  pid: number
  stop(): Promise<void>
}

/** Starts the server; resolves once it serves the namespace with all search attributes. */
export async function startTemporal(options: TemporalOptions = {}): Promise<TemporalServer> {
  const program = findProgram('temporal')
  const ip = options.ip ?? '127.0.0.1'
  const port = options.port ?? (await freePort(ip))
  const uiPort = options.ui ? (options.uiPort ?? (await freePort(ip))) : undefined
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-temporal-'))
  const logFile = join(folder, 'temporal.log')
  const daemon = await startDaemon({ program, args: await argumentsOf(options, ip, port, uiPort) }, { logFile })
  const stop = async () => {
    await daemon.stop()
    await rm(folder, { recursive: true, force: true })
  }
  let ended = false
  void daemon.exited.then(() => {
    ended = true
  })
  const address = `${ip}:${port}`
  try {
    await until(() => ended || serves(address, Object.keys(options.searchAttributes ?? {})), {
      timeoutMs: 60_000,
      what: `Temporal on ${address}`,
    })
    if (ended)
      throw new HoldfastError('TEMPORAL_UNREACHABLE', `the Temporal server on ${address} ended at once: ${await tail(logFile)}`, {
        object: address,
      })
  } catch (error) {
    await stop()
    throw error
  }
  return { address, namespace: 'default', pid: daemon.pid, stop, ...(uiPort ? { uiUrl: `http://${ip}:${uiPort}` } : {}) }
}

async function argumentsOf(options: TemporalOptions, ip: string, port: number, uiPort: number | undefined): Promise<string[]> {
  const dynamic = { 'system.enableActivityEagerExecution': 'true', ...options.dynamicConfig }
  return [
    ...['server', 'start-dev', '--ip', ip, '--port', String(port), '--log-level', 'error'],
    // Left alone, these two take a random port of the kernel's range, which another server of ours may have been promised.
    ...['--http-port', String(await freePort(ip)), '--metrics-port', String(await freePort(ip))],
    ...(uiPort ? ['--ui-port', String(uiPort)] : ['--headless']),
    ...(options.dbFile ? ['--db-filename', options.dbFile] : []),
    ...Object.entries(dynamic).flatMap(([name, value]) => ['--dynamic-config-value', `${name}=${value}`]),
    ...Object.entries(options.searchAttributes ?? {}).flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
  ]
}

/** True once the namespace answers and knows the attributes. */
async function serves(address: string, attributes: readonly string[]): Promise<boolean> {
  let connection: Connection | undefined
  try {
    connection = await Connection.connect({ address, connectTimeout: 2_000 })
    await connection.workflowService.describeNamespace({ namespace: 'default' })
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' })
    return attributes.every((name) => name in customAttributes)
  } catch {
    return false
  } finally {
    await connection?.close()
  }
}

async function tail(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => messageOf(error))
  return text.trim().split('\n').slice(-5).join(' | ')
}
