/** Two sites of one database: a primary on 127.0.0.2, a streaming standby on 127.0.0.3, each kept up by a supervisor. */
import { appendFile, chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FailoverGroupConfig, SiteConfig } from '../../src/config/schema.ts'
import { stopProcessesIn } from '../../src/process/in-folder.ts'
import { readPidFile, removeSegment } from '../../src/failover/database/shared-memory.ts'
import { startDaemon } from '../../src/process/daemon.ts'
import { until } from '../../src/process/wait.ts'
import { freePortOn } from './ports.ts'
import { createCluster, OS_USER, POSTGRES_BIN, postgresFolder, queryOnce, reachableFolder, type Row, settingsLines } from './postgres.ts'
import { type Answer, ask, socketOf, type Verb } from './supervisor-client.ts'

const SUPERVISOR = fileURLToPath(new URL('./supervisor.ts', import.meta.url))

export interface PairOptions {
  dir?: string
  port?: number
  /** Lines of postgresql.conf of both sites, over the defaults of createCluster. */
  settings?: Record<string, string>
  dbname?: string
  slot?: string
  /** Seconds after which a supervisor restarts a site that died. */
  restartSeconds?: number
}

export interface PairSite {
  readonly name: string
  readonly dir: string
  /** What stands under failoverGroups.<group>.sites.<name>. */
  readonly config: SiteConfig
  readonly logFile: string
  readonly supervisorPid: number
  connection(db?: string): string
  query(sql: string, db?: string): Promise<Row[]>
  /** A command to its supervisor, without a process in between. */
  supervise(verb: Verb): Promise<Answer>
}

export interface Pair {
  readonly dir: string
  readonly port: number
  readonly slot: string
  readonly database: FailoverGroupConfig['database']
  readonly primary: PairSite
  readonly standby: PairSite
  destroy(): Promise<void>
}

export async function createPair(options: PairOptions = {}): Promise<Pair> {
  const dir = options.dir ?? (await reachableFolder('holdfast-pair-'))
  const addresses = { east: '127.0.0.2', west: '127.0.0.3' }
  const port = options.port ?? (await freePortOn(Object.values(addresses)))
  const slot = options.slot ?? 'holdfast_west'
  const dbname = options.dbname ?? 'postgres'
  const supervised: (PairSite & { end(): Promise<void> })[] = []
  const destroy = async () => {
    for (const site of supervised.splice(0)) await site.end()
    await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const seed = await createCluster({
      dir: join(dir, 'east'),
      address: addresses.east,
      port,
      settings: { cluster_name: 'east', wal_retrieve_retry_interval: '500ms', ...options.settings },
    })
    try {
      if (dbname !== 'postgres') await seed.query(`create database "${dbname}"`)
      await seed.query(replicationRole(slot))
      await postgresFolder(join(dir, 'west'), 0o755)
      await seed.basebackupTo(join(dir, 'west', 'data'), ['-R', '-S', slot])
      await configureStandby(join(dir, 'west'), addresses, port, slot)
    } finally {
      await seed.stop()
    }
    for (const name of ['east', 'west'] as const) {
      supervised.push(await superviseSite(name, join(dir, name), addresses[name], port, dbname, options.restartSeconds ?? 2))
    }
    const [primary, standby] = supervised
    if (!primary || !standby) throw new Error('a pair has two sites')
    for (const site of [primary, standby]) {
      const answer = await site.supervise('start')
      if (answer.exitCode !== 0) throw new Error(`site ${site.name}: ${answer.message}`)
    }
    await awaitStreaming(primary)
    const database = { user: 'postgres', dbname, replicationUser: 'repl', slot, canary: true, sslmode: 'prefer' }
    return { dir, port, slot, database, primary, standby, destroy }
  } catch (error) {
    await destroy()
    throw error
  }
}

/** The role that streams and rewinds, with no more than it needs, and the slot of the standby. */
export function replicationRole(slot: string): string {
  const functions = [
    'pg_ls_dir(text, boolean, boolean)',
    'pg_stat_file(text, boolean)',
    'pg_read_binary_file(text)',
    'pg_read_binary_file(text, bigint, bigint, boolean)',
  ]
  return [
    'create role repl login replication',
    ...functions.map((name) => `grant execute on function pg_catalog.${name} to repl`),
    `select pg_create_physical_replication_slot('${slot}', true)`,
  ].join('; ')
}

async function configureStandby(dir: string, addresses: { east: string; west: string }, port: number, slot: string): Promise<void> {
  await postgresFolder(join(dir, 'socket'), 0o755)
  await appendFile(
    join(dir, 'data', 'postgresql.conf'),
    settingsLines({
      listen_addresses: addresses.west,
      unix_socket_directories: join(dir, 'socket'),
      cluster_name: 'west',
    }),
  )
  const primary = `host=${addresses.east} port=${port} user=repl application_name=west`
  await writeFile(join(dir, 'data', 'postgresql.auto.conf'), settingsLines({ primary_conninfo: primary, primary_slot_name: slot }))
}

async function superviseSite(name: string, dir: string, address: string, port: number, dbname: string, restartSeconds: number) {
  const dataDir = join(dir, 'data')
  await mkdir(dir, { recursive: true })
  await chmod(dir, 0o755)
  await writeFile(join(dir, 'site.json'), JSON.stringify({ dataDir, binDir: POSTGRES_BIN, restartSeconds }))
  const daemon = await startDaemon(
    { program: 'setpriv', args: ['--pdeathsig', 'TERM', process.execPath, SUPERVISOR, 'run', dir], cwd: '/' },
    { logFile: join(dir, 'supervisor.log') },
  )
  await until(() => ask(dir, 'status').catch(() => false as const), { timeoutMs: 30_000, what: `the supervisor at ${socketOf(dir)}` })
  const command = (verb: Verb) => [process.execPath, SUPERVISOR, verb, dir]
  const config: SiteConfig = {
    host: name,
    address,
    port,
    dataDir,
    binDir: POSTGRES_BIN,
    osUser: OS_USER,
    supervisor: { start: command('start'), stop: command('stop'), mask: command('mask'), unmask: command('unmask') },
  }
  return {
    name,
    dir,
    config,
    logFile: join(dir, 'postgres.log'),
    supervisorPid: daemon.pid,
    connection: (db = dbname) => `host=${address} port=${port} user=postgres dbname=${db}`,
    query: (sql: string, db = dbname) => queryOnce({ host: address, port, user: 'postgres', database: db }, sql),
    supervise: (verb: Verb) => ask(dir, verb),
    async end() {
      await daemon.stop({ graceMs: 20_000 })
      await clearAway(dataDir)
    },
  }
}

/** Backends outlive a postmaster that was killed, and so does its shared memory. */
async function clearAway(dataDir: string): Promise<void> {
  const segment = (await readPidFile({ dataDir }))?.segment
  await stopProcessesIn(dataDir, 2_000)
  if (segment) await removeSegment(segment)
}

/** Resolves when a standby streams from the site. */
export async function awaitStreaming(site: PairSite): Promise<void> {
  await until(
    async () => {
      const rows = await site.query("select 1 from pg_stat_replication where state = 'streaming'").catch(() => [])
      return rows.length > 0
    },
    { timeoutMs: 60_000, what: `a standby to stream from ${site.name}` },
  )
}
