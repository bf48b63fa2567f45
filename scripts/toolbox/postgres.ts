/** Real PostgreSQL clusters on loopback, for tests and the quickstart: each in a folder of its own, stopped by pid. */
import { appendFile, chmod, chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Command } from '../../src/process/command.ts'
import { startDaemon } from '../../src/process/daemon.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import { freePort } from './ports.ts'

export const POSTGRES_BIN = '/usr/lib/postgresql/15/bin'
/** PostgreSQL refuses to run as root: then its programs run as this user. Undefined means as ourselves. */
export const OS_USER = process.getuid?.() === 0 ? 'postgres' : undefined

export type StopMode = 'smart' | 'fast' | 'immediate'
export type Row = Record<string, unknown>

export interface ClusterOptions {
  /** Folder that holds data, sockets and log; a temporary one by default. */
  dir?: string
  address?: string
  port?: number
  /** Lines of postgresql.conf, over the defaults: `{ archive_mode: 'on', archive_command: '…', fsync: 'on' }`. */
  settings?: Record<string, string>
  /** A database to create; `postgres` is always there. */
  dbname?: string
  /** False leaves the cluster initialised and down. */
  start?: boolean
}

export interface Cluster {
  readonly dir: string
  readonly dataDir: string
  readonly address: string
  readonly port: number
  readonly user: string
  readonly socketDir: string
  readonly logFile: string
  /** Pid of the postmaster while it runs as our child. */
  readonly pid: number | undefined
  /** libpq key=value words, without a secret. */
  connection(db?: string): string
  query(sql: string, db?: string): Promise<Row[]>
  start(): Promise<void>
  stop(mode?: StopMode): Promise<void>
  /** A copy of the running cluster in `target`, which the postgres user owns. */
  basebackupTo(target: string, args?: string[]): Promise<void>
  /** Stops it and removes its folder. May be called twice. */
  destroy(): Promise<void>
}

/** A PostgreSQL program, run as the user that may run it. */
export function postgresCommand(program: string, args: string[], env: Record<string, string> = {}): Command {
  return { program: join(POSTGRES_BIN, program), args, env, cwd: '/', user: OS_USER }
}

/** The postmaster as a direct child that is told to stop when its parent dies. */
export function postmasterCommand(dataDir: string, binDir = POSTGRES_BIN, user = OS_USER): Command {
  return { program: 'setpriv', args: ['--pdeathsig', 'INT', join(binDir, 'postgres'), '-D', dataDir], cwd: '/', user }
}

/** Owner ids of the postgres user, or undefined where we run as ourselves. */
async function ownerIds(): Promise<{ uid: number; gid: number } | undefined> {
  if (OS_USER === undefined) return undefined
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith(`${OS_USER}:`))
  if (!line) throw new Error(`no OS user ${OS_USER}: install postgresql-15`)
  const [, , uid, gid] = line.split(':')
  return { uid: Number(uid), gid: Number(gid) }
}

/** A folder that only the postgres user may enter. */
export async function postgresFolder(path: string, mode = 0o700): Promise<string> {
  await mkdir(path, { recursive: true })
  await chmod(path, mode)
  const owner = await ownerIds()
  if (owner) await chown(path, owner.uid, owner.gid)
  return path
}

/** A temporary folder whose parents the postgres user can pass. */
export async function reachableFolder(prefix: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), prefix))
  await chmod(dir, 0o755)
  return dir
}

const DEFAULTS = {
  shared_buffers: '16MB',
  max_connections: '60',
  dynamic_shared_memory_type: 'mmap',
  fsync: 'off',
  wal_level: 'replica',
  hot_standby: 'on',
  wal_log_hints: 'on',
  max_prepared_transactions: '10',
  max_wal_senders: '10',
  max_replication_slots: '10',
  wal_keep_size: '64MB',
  max_wal_size: '256MB',
  log_line_prefix: '%m [%p] ',
  log_connections: 'off',
  timezone: 'UTC',
}

/** Lines for postgresql.conf; the last of a name wins. */
export function settingsLines(settings: Record<string, string>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} = '${value.replaceAll("'", "''")}'\n`)
    .join('')
}

/** Runs statements in a session of their own and gives the rows of the last. */
export async function queryOnce(connection: { host: string; port: number; user: string; database: string }, sql: string): Promise<Row[]> {
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: 10_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    const result: unknown = await client.query(sql)
    const last = Array.isArray(result) ? result.at(-1) : result
    return (last as pg.QueryResult<Row>).rows ?? []
  } finally {
    await client.end().catch(() => {})
  }
}

/** Initialises a cluster with trust on loopback and checksums on; started unless told otherwise. */
export async function createCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const dir = options.dir ?? (await reachableFolder('holdfast-pg-'))
  await mkdir(dir, { recursive: true })
  await chmod(dir, 0o755)
  const dataDir = await postgresFolder(join(dir, 'data'))
  const socketDir = await postgresFolder(join(dir, 'socket'), 0o755)
  await run(postgresCommand('initdb', ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '-k', '-N', '-E', 'UTF8', '--locale=C.UTF-8']))
  const address = options.address ?? '127.0.0.1'
  const port = options.port ?? (await freePort(address))
  await appendFile(
    join(dataDir, 'postgresql.conf'),
    settingsLines({
      ...DEFAULTS,
      listen_addresses: address,
      port: String(port),
      unix_socket_directories: socketDir,
      ...options.settings,
    }),
  )
  await appendFile(join(dataDir, 'pg_hba.conf'), 'host all all 127.0.0.0/8 trust\nhost replication all 127.0.0.0/8 trust\n')
  const cluster = openCluster({ dir, address, port })
  try {
    if (options.start ?? true) await cluster.start()
    if (options.dbname) await cluster.query(`create database "${options.dbname}"`)
  } catch (error) {
    await cluster.destroy()
    throw error
  }
  return cluster
}

/** A cluster whose folder is already there: `data` and `socket` in `dir`, configured for the address and port. */
export function openCluster({ dir, address, port }: { dir: string; address: string; port: number }): Cluster {
  const dataDir = join(dir, 'data')
  const socketDir = join(dir, 'socket')
  const logFile = join(dir, 'postgres.log')
  const user = 'postgres'
  let daemon: Awaited<ReturnType<typeof startDaemon>> | undefined

  const query = (sql: string, database = 'postgres') => queryOnce({ host: address, port, user, database }, sql)

  async function start(): Promise<void> {
    if (daemon) return
    const started = await startDaemon(postmasterCommand(dataDir), { logFile })
    daemon = started
    let exit: number | null | undefined
    void started.exited.then((code) => {
      exit = code
      if (daemon === started) daemon = undefined
    })
    await until(
      async () => {
        if (exit !== undefined) throw new Error(`postgres exited ${exit}: ${await logTail(logFile)}`)
        return query('select 1').catch(() => false as const)
      },
      { timeoutMs: 60_000, what: `postgres on ${address}:${port}` },
    )
  }

  async function stop(mode: StopMode = 'fast'): Promise<void> {
    const running = daemon
    if (!running) return
    process.kill(running.pid, { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' }[mode] as NodeJS.Signals)
    await until(() => daemon !== running, { timeoutMs: 60_000, what: `postgres ${running.pid} to stop` })
  }

  return {
    dir,
    dataDir,
    address,
    port,
    user,
    socketDir,
    logFile,
    get pid() {
      return daemon?.pid
    },
    connection: (db = 'postgres') => `host=${address} port=${port} user=${user} dbname=${db}`,
    query,
    start,
    stop,
    async basebackupTo(target, args = []) {
      await postgresFolder(target)
      await run(
        postgresCommand('pg_basebackup', [
          '-D',
          target,
          '-h',
          address,
          '-p',
          String(port),
          '-U',
          user,
          '-c',
          'fast',
          '-X',
          'stream',
          ...args,
        ]),
      )
    },
    async destroy() {
      await stop('immediate')
      await rm(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** The last lines of a log, for messages. */
export async function logTail(file: string, lines = 8): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.trimEnd().split('\n').slice(-lines).join('\n')
}
