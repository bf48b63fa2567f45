/**
 * A private server on an RDB: a socket in its own folder, saving nothing, loading only what it is given. It is a replica
 * of nobody, since only replicas keep keys whose time has come: so the same RDB holds the same keys next year.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { startDaemon } from '../../process/daemon.ts'
import { run } from '../../process/run.ts'
import { until } from '../../process/wait.ts'
import { makeOwnFolder, removeOwnFolder, requireOwnFolder } from '../common/own-folder.ts'
import { processesIn, stopProcessesIn } from '../../process/in-folder.ts'
import type { RedisSourceConfig } from './config.ts'
import { type Client, infoOf, withSocket } from './connect.ts'

export interface ScratchOptions {
  config: Pick<RedisSourceConfig, 'programs' | 'modules'>
  /** Holds `dump.rdb`, or nothing for an empty server. */
  dir: string
  /** How many the source has. */
  databases: number
  /** Ends with the worker, where nobody looks at it later. */
  tied?: boolean
  /** For another server that reads from it. */
  listen?: { address: string; port: number; username?: string; password: string }
  /** May be written to, where it is to be filled. */
  writable?: boolean
  signal?: AbortSignal
}

export const rdbOf = (dir: string): string => join(dir, 'dump.rdb')
export const socketOf = (dir: string): string => join(dir, 'redis.sock')
const confOf = (dir: string): string => join(dir, 'redis.conf')
const logOf = (dir: string): string => join(dir, 'redis.log')

/** An empty folder for it; what an earlier try left there goes first. */
export async function makeScratch(dir: string): Promise<void> {
  await destroyScratch(dir)
  await makeOwnFolder(dir)
}

/** Starts it; resolves once the RDB is loaded. Throws PROCESS_FAILED with the end of its log where it does not load. */
export async function startScratch(options: ScratchOptions): Promise<void> {
  const { dir, config, tied = false, signal } = options
  if (Buffer.byteLength(socketOf(dir)) > 107)
    throw new HoldfastError('CONFIG_INVALID', `the socket's path is longer than 107 bytes: ${socketOf(dir)}`, {
      object: dir,
      next: 'choose a scratchDir with a shorter path',
    })
  await writeFile(confOf(dir), configuration(options).join('\n'), { mode: 0o600 })
  const command = { program: config.programs.server, args: [confOf(dir)], cwd: dir }
  if (tied) await startDaemon(command, { logFile: logOf(dir), signal })
  else await run(command, { signal })
  await awaitLoaded(dir, signal)
}

/** Starts it again as it was, if it does not run. */
export async function resumeScratch(config: ScratchOptions['config'], dir: string, signal?: AbortSignal): Promise<void> {
  if ((await processesIn(dir)).length === 0)
    await run({ program: config.programs.server, args: [confOf(dir), '--daemonize', 'yes'], cwd: dir }, { signal })
  await awaitLoaded(dir, signal)
}

/** Ends what runs in the folder and removes it. May be called twice, and by another process than the one that started it. */
export async function destroyScratch(dir: string): Promise<void> {
  await requireOwnFolder(dir)
  await stopProcessesIn(dir)
  await removeOwnFolder(dir)
}

/** With the password, where others may come over the network. */
export async function withScratch<T>(dir: string, use: (client: Client) => Promise<T>): Promise<T> {
  const conf = await readFile(confOf(dir), 'utf8').catch(() => '')
  const password = /^requirepass (.*)$/m.exec(conf)?.[1]
  return withSocket(socketOf(dir), password === undefined ? undefined : String(JSON.parse(password)), use)
}

const LONGEST_LOAD_MS = 6 * 3_600_000

async function awaitLoaded(dir: string, signal: AbortSignal | undefined): Promise<void> {
  const loaded = async () => {
    const answer = await withScratch(dir, (client) => infoOf(client, 'persistence')).catch((error: unknown) => {
      if (error instanceof HoldfastError && error.retryable) return undefined
      throw error
    })
    if (answer?.['loading'] === '0') return true
    // Asked after it did not answer: one that ends in between is seen the next time.
    if (answer === undefined && (await processesIn(dir)).length === 0) throw await notStarted(dir)
    return false
  }
  await until(loaded, { timeoutMs: LONGEST_LOAD_MS, everyMs: 50, what: `the server in ${dir} to load its data`, signal })
}

async function notStarted(dir: string): Promise<HoldfastError> {
  const log = await readFile(logOf(dir), 'utf8').catch((error: unknown) => messageOf(error))
  const lines = log.trimEnd().split('\n').slice(-6).join(' | ')
  return new HoldfastError('PROCESS_FAILED', `the server in ${dir} did not start: ${lines}`, { object: dir, next: `read ${logOf(dir)}` })
}

/** The settings of the source are not taken over: they name files, modules and addresses that are not for a scratch server. */
function configuration({ config, dir, databases, tied, listen, writable }: ScratchOptions): string[] {
  const user = listen?.username ? [`user ${listen.username} on ${JSON.stringify(`>${listen.password}`)} ~* &* +@all`] : []
  const network = listen
    ? [`bind ${listen.address}`, `port ${listen.port}`, `requirepass ${JSON.stringify(listen.password)}`, ...user]
    : ['port 0']
  return [
    ...network,
    `unixsocket ${JSON.stringify(socketOf(dir))}`,
    'unixsocketperm 700',
    `dir ${JSON.stringify(dir)}`,
    'dbfilename dump.rdb',
    `databases ${databases}`,
    'save ""',
    'appendonly no',
    `daemonize ${tied ? 'no' : 'yes'}`,
    `pidfile ${JSON.stringify(join(dir, 'redis.pid'))}`,
    `logfile ${JSON.stringify(logOf(dir))}`,
    // Nobody can listen there.
    ...(writable ? [] : ['replicaof 127.0.0.1 0']),
    'maxmemory 0',
    'activerehashing no',
    'enable-debug-command local',
    'repl-diskless-sync yes',
    'repl-diskless-sync-delay 0',
    'repl-backlog-ttl 0',
    ...config.modules.map((path) => `loadmodule ${JSON.stringify(path)}${isFalkor(path) ? ' CMD_INFO no' : ''}`),
    '',
  ]
}

/** Without its record of queries, which is a key: looking at a graph would add one. */
const isFalkor = (path: string): boolean => /falkordb[^/]*\.so$/.test(path)
