/** A Temporal server of one's own: the dev server, on loopback, in memory or on a file. */
import { join } from 'node:path'
import { Connection } from '@temporalio/client'
import { findProgram } from './find.ts'
import { freePort } from './ports.ts'
import { type Server, serverFolder, startServer } from './server.ts'

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

export interface TemporalServer extends Server {
  address: string
  uiUrl?: string
  namespace: 'default'
}

/** Starts the server; resolves once it serves the namespace with all search attributes. */
export async function startTemporal(options: TemporalOptions = {}): Promise<TemporalServer> {
  const program = findProgram('temporal')
  const ip = options.ip ?? '127.0.0.1'
  const port = options.port ?? (await freePort(ip))
  const uiPort = options.ui ? (options.uiPort ?? (await freePort(ip))) : undefined
  const { dir, remove } = await serverFolder(undefined, 'holdfast-temporal-')
  const address = `${ip}:${port}`
  const server = await startServer({
    what: `the Temporal server on ${address}`,
    command: { program, args: await argumentsOf(options, ip, port, uiPort) },
    logFile: join(dir, 'temporal.log'),
    answers: () => serves(address, Object.keys(options.searchAttributes ?? {})),
    code: 'TEMPORAL_UNREACHABLE',
    cleanUp: remove,
  })
  return { address, namespace: 'default', ...(uiPort ? { uiUrl: `http://${ip}:${uiPort}` } : {}), ...server }
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
