/** A Redis server of one's own, on loopback. */
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../src/process/run.ts'
import { findProgram } from './find.ts'
import { freePort } from './ports.ts'
import { type Server, serverFolder, startServer } from './server.ts'

export interface RedisOptions {
  /** Keeps configuration, log, RDB and append-only files; a temporary folder that stop() removes by default. */
  dir?: string
  port?: number
  /** Asked of every client; none by default. */
  password?: string
  appendonly?: boolean
  /** Further settings, as its command line has them: `['--repl-diskless-sync-delay', '0']`. They win over all others. */
  args?: readonly string[]
}

export interface RedisServer extends Server {
  port: number
  dir: string
  /** With the password, where there is one. */
  url: string
}

/** Starts the server; resolves once it has loaded its data and answers. Its configuration is written anew at each start. */
export function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  return serveRedis({ name: 'Redis', program: findProgram('redis-server'), before: [], settings: [] }, options)
}

export interface RedisProgram {
  name: string
  program: string
  /** Arguments that come before the configuration's path. */
  before: readonly string[]
  /** Lines of the configuration. */
  settings: readonly string[]
}

/** The same for any program that is a Redis server. */
export async function serveRedis({ name, program, before, settings }: RedisProgram, options: RedisOptions): Promise<RedisServer> {
  const port = options.port ?? (await freePort())
  const { dir, remove } = await serverFolder(options.dir, 'holdfast-redis-')
  const configFile = join(dir, 'redis.conf')
  // In a file: an argument can be read by every user of the machine, and a password may be among the settings.
  await writeFile(configFile, [...settings, ...configuration(options, dir, port)].join('\n'), { mode: 0o600 })
  await chmod(configFile, 0o600)
  const server = await startServer({
    what: `${name} on 127.0.0.1:${port}`,
    command: { program, args: [...before, configFile, ...(options.args ?? [])], cwd: dir },
    logFile: join(dir, 'redis.log'),
    answers: (pid) => answers(pid, port, options.password),
    cleanUp: remove,
  })
  const url = `redis://${options.password ? `:${encodeURIComponent(options.password)}@` : ''}127.0.0.1:${port}`
  return { port, dir, url, ...server }
}

function configuration({ password, appendonly }: RedisOptions, dir: string, port: number): string[] {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    `dir ${JSON.stringify(dir)}`,
    `appendonly ${appendonly ? 'yes' : 'no'}`,
    ...(password ? [`requirepass ${JSON.stringify(password)}`] : []),
    '',
  ]
}

/** True once this very process has loaded its data. */
async function answers(pid: number, port: number, password: string | undefined): Promise<boolean> {
  const env = password ? { REDISCLI_AUTH: password } : undefined
  const command = { program: findProgram('redis-cli'), args: ['-h', '127.0.0.1', '-p', String(port), 'info'], env }
  const { stdout } = await run(command, { accept: [0, 1], timeoutMs: 10_000 })
  const lines = stdout.split('\r\n')
  return lines.includes(`process_id:${pid}`) && lines.includes('loading:0')
}
