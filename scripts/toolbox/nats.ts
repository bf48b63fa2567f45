/** A NATS server of one's own, with JetStream, on loopback. */
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findProgram } from './find.ts'
import { freePort } from './ports.ts'
import { type Server, serverFolder, startServer } from './server.ts'

export interface NatsOptions {
  /** Keeps configuration, log and streams; a temporary folder that stop() removes by default. */
  dir?: string
  /** Where JetStream makes its folder `jetstream`; in `dir` by default. */
  storeDir?: string
  port?: number
  /** JetStream's domain; none by default. */
  domain?: string
  /** Asked of every client; none by default. */
  token?: string
  /** Further lines of its configuration, as the server's manual has them. */
  config?: string
}

export interface NatsServer extends Server {
  url: string
  /** HTTP: /healthz, /varz, /jsz. */
  monitorUrl: string
  port: number
  dir: string
  storeDir: string
}

/** Starts the server; resolves once JetStream has recovered its streams. Its configuration is written anew at each start. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const program = findProgram('nats-server')
  const port = options.port ?? (await freePort())
  const monitorPort = await freePort()
  const { dir, remove } = await serverFolder(options.dir, 'holdfast-nats-')
  const storeDir = options.storeDir ?? dir
  const configFile = join(dir, 'nats.conf')
  // In a file: an argument can be read by every user of the machine, and the token is a secret.
  await writeFile(configFile, configuration(options, port, monitorPort, storeDir), { mode: 0o600 })
  await chmod(configFile, 0o600)
  const monitorUrl = `http://127.0.0.1:${monitorPort}`
  const server = await startServer({
    what: `NATS on 127.0.0.1:${port}`,
    command: { program, args: ['-c', configFile], cwd: dir },
    logFile: join(dir, 'nats.log'),
    answers: () => isHealthy(`${monitorUrl}/healthz`),
    cleanUp: remove,
  })
  return { url: `nats://127.0.0.1:${port}`, monitorUrl, port, dir, storeDir, ...server }
}

function configuration({ domain, token, config }: NatsOptions, port: number, monitorPort: number, storeDir: string): string {
  const lines = [
    `listen: "127.0.0.1:${port}"`,
    `http: "127.0.0.1:${monitorPort}"`,
    `jetstream { store_dir: ${JSON.stringify(storeDir)}${domain ? `, domain: ${domain}` : ''} }`,
    ...(token ? [`authorization { token: ${JSON.stringify(token)} }`] : []),
    config ?? '',
    '',
  ]
  return lines.join('\n')
}

function isHealthy(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(5_000), headers: { connection: 'close' } }).then(
    (reply) => reply.ok,
    () => false,
  )
}
