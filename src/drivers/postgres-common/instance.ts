/**
 * A private PostgreSQL instance: quarantined (a socket in its own folder, no archiving, no replication, no libraries with
 * effects outside), found again after a crash of the worker, and ended without leaving a process or shared memory.
 */
import { access, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import { until } from '../../process/wait.ts'
import { removeOwnFolder, requireOwnFolder } from '../common/own-folder.ts'
import { giveTo, makeFolder, postgresUser } from './folder.ts'
import { processesIn, signalAll, stopProcessesIn, type FolderProcess } from '../../process/in-folder.ts'

export { makeFolder, makeScratchFolder, postgresUser } from './folder.ts'

export interface InstanceOptions {
  dataDir: string
  socketDir: string
  binDir: string
  osUser?: string | undefined
  /** Given on the command line, where they win over every file of the data directory: so never a secret. */
  settings?: Readonly<Record<string, string>>
  /** Beside the data directory by default, as `<dataDir>.log`. */
  logFile?: string
  /** How long it may take until connections are accepted, recovery included. */
  timeoutMs?: number
  signal?: AbortSignal
}

export interface Instance {
  pid: number
  port: number
  socketDir: string
  logFile: string
}

/** What `postmaster.pid` says of an instance whose process really is there. */
export interface Running {
  pid: number
  port: number
  socketDir: string
  status: string
}

const QUARANTINE = {
  listen_addresses: '',
  port: '5432',
  ssl: 'off',
  unix_socket_permissions: '0700',
  unix_socket_group: '',
  archive_mode: 'off',
  archive_command: '/bin/false',
  archive_library: '',
  primary_conninfo: '',
  primary_slot_name: '',
  max_logical_replication_workers: '0',
  shared_preload_libraries: '',
  session_preload_libraries: '',
  local_preload_libraries: '',
  logging_collector: 'off',
  log_destination: 'stderr',
  external_pid_file: '',
  event_source: 'holdfast',
  // Memory for parallel queries lies in the data directory, so that a SIGKILL leaves nothing in /dev/shm.
  dynamic_shared_memory_type: 'mmap',
  cluster_name: 'holdfast_scratch',
} as const

/** Starts the instance, or finds it running, and resolves when it accepts connections (in recovery: read-only ones). */
export async function startInstance(options: InstanceOptions): Promise<Instance> {
  const { dataDir, socketDir } = options
  const logFile = options.logFile ?? `${dataDir}.log`
  const socket = join(socketDir, `.s.PGSQL.${QUARANTINE.port}`)
  if (Buffer.byteLength(socket) > 107) {
    throw new HoldfastError('CONFIG_INVALID', `the socket's path is longer than 107 bytes: ${socket}`, {
      object: socket,
      next: 'choose a shorter path: of the scratchDir, or of the dataDir where a restore goes over it',
    })
  }
  const running = await runningInstance(dataDir)
  if (running) return { pid: running.pid, port: running.port, socketDir: running.socketDir, logFile }

  await clearDead(dataDir, socket)
  await makeFolder(socketDir, options.osUser)
  const files = await writeFiles(dataDir, options.osUser)
  const settings = { ...QUARANTINE, ...files, ...options.settings, unix_socket_directories: socketDir }
  const words = Object.entries(settings)
    .map(([name, value]) => `-c ${shellQuoted(`${name}=${value}`)}`)
    .join(' ')
  const seconds = Math.ceil((options.timeoutMs ?? 120_000) / 1000)
  try {
    await run(
      {
        program: join(options.binDir, 'pg_ctl'),
        user: postgresUser(options.osUser),
        cwd: dataDir,
        args: ['start', '-D', dataDir, '-l', logFile, '-w', '-t', String(seconds), '-s', '-o', words],
      },
      { timeoutMs: seconds * 1000 + 15_000, ...(options.signal ? { signal: options.signal } : {}) },
    )
  } catch (error) {
    throw await startFailure(dataDir, logFile, error)
  }
  const started = await runningInstance(dataDir)
  if (!started) throw await startFailure(dataDir, logFile, new Error('it ended right after its start'))
  return { pid: started.pid, port: started.port, socketDir, logFile }
}

/** Stops it: fast, then immediate, then by SIGKILL of all that works in the data directory. Not running is no error. */
export async function stopInstance(options: { dataDir: string; graceMs?: number }): Promise<void> {
  await stopPostmaster(options.dataDir, options.graceMs ?? 60_000)
}

/** Ends everything that works in the scratch folder and removes it, with the shared memory. May be called twice and on halves. */
export async function destroyInstance(dir: string): Promise<void> {
  await requireOwnFolder(dir)
  for (const entry of await readdir(dir).catch(() => [] as string[])) {
    const dataDir = join(dir, entry)
    const present = await access(join(dataDir, 'PG_VERSION')).then(
      () => true,
      () => false,
    )
    if (present) await stopPostmaster(dataDir, 20_000)
  }
  await stopProcessesIn(dir)
  await removeOwnFolder(dir)
}

/** The instance of this data directory, if its process lives: a pid file alone proves nothing, the process's folder does. */
export async function runningInstance(dataDir: string): Promise<Running | undefined> {
  const lines = await pidFile(dataDir)
  const pid = Number(lines?.[0])
  if (!lines || !Number.isInteger(pid) || pid <= 0) return undefined
  const alive = (await processesIn(dataDir)).some((process) => process.pid === pid)
  return alive ? { pid, port: Number(lines[3]), socketDir: lines[4] ?? '', status: (lines[7] ?? '').trim() } : undefined
}

/** The end of a log, for messages. */
export async function logTail(logFile: string, lines = 12): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '')
  return text.trimEnd().split('\n').slice(-lines).join('\n')
}

async function stopPostmaster(dataDir: string, graceMs: number): Promise<void> {
  const memory = sharedMemory(await pidFile(dataDir))
  const running = await runningInstance(dataDir)
  if (running) {
    const postmaster: FolderProcess = { pid: running.pid, cwd: dataDir, name: 'postgres' }
    const gone = async () => (await runningInstance(dataDir)) === undefined
    for (const [signal, timeoutMs] of [
      ['SIGINT', graceMs],
      ['SIGQUIT', 10_000],
    ] as const) {
      signalAll([postmaster], signal)
      const stopped = await until(gone, { timeoutMs, everyMs: 50, what: `PostgreSQL in ${dataDir} to stop` }).catch(() => false)
      if (stopped) break
    }
  }
  // After a SIGKILLed postmaster its backends may go on: none of them may outlive this.
  await stopProcessesIn(dataDir)
  if (memory !== undefined) await removeSharedMemory(memory)
}

/**
 * What a killed server left in the way of the next: backends that go on, shared memory, and a pid file whose number may
 * be that of a process that nobody collects, which PostgreSQL would take for alive.
 */
async function clearDead(dataDir: string, socket: string): Promise<void> {
  const lines = await pidFile(dataDir)
  if (!lines) return
  await stopProcessesIn(dataDir)
  const memory = sharedMemory(lines)
  if (memory) await removeSharedMemory(memory)
  for (const path of [join(dataDir, 'postmaster.pid'), `${socket}.lock`, socket]) await rm(path, { force: true })
}

async function pidFile(dataDir: string): Promise<string[] | undefined> {
  const text = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => undefined)
  return text?.split('\n')
}

/** Line 7 of the pid file is the key and the id of the System V segment that a killed postmaster leaves. */
function sharedMemory(lines: string[] | undefined): { key: string; id: string } | undefined {
  const found = /^\s*(\d+)\s+(\d+)/.exec(lines?.[6] ?? '')
  return found ? { key: found[1] as string, id: found[2] as string } : undefined
}

async function removeSharedMemory(memory: { key: string; id: string }): Promise<void> {
  const table = await readFile('/proc/sysvipc/shm', 'utf8').catch(() => '')
  for (const line of table.split('\n').slice(1)) {
    const [key, id, , , , , attached] = line.trim().split(/\s+/)
    // Ids are used again: only the very key, with nobody attached, is the one that was left.
    if (id === memory.id && Number(key) === (Number(memory.key) | 0) && attached === '0')
      await run({ program: 'ipcrm', args: ['-m', memory.id] }, { accept: [0, 1] })
  }
}

/** Own configuration files: the source's name folders, certificates and rules that are not for a scratch instance. */
async function writeFiles(dataDir: string, osUser: string | undefined): Promise<Record<string, string>> {
  const files = {
    config_file: ['holdfast.conf', '# settings are on the command line\n'],
    hba_file: ['holdfast_hba.conf', '# the socket folder is private to the user\nlocal all all trust\n'],
    ident_file: ['holdfast_ident.conf', ''],
  } as const
  const paths: Record<string, string> = {}
  for (const [setting, [name, text]] of Object.entries(files)) {
    const path = join(dataDir, name)
    await writeFile(path, text)
    const user = postgresUser(osUser)
    if (user) await giveTo(user, path)
    paths[setting] = path
  }
  return paths
}

async function startFailure(dataDir: string, logFile: string, cause: unknown): Promise<Error> {
  if (cause instanceof HoldfastError && ['CANCELLED', 'TOOL_MISSING'].includes(cause.code)) return cause
  const log = await logTail(logFile)
  const why =
    log
      .split('\n')
      .filter((line) => /(FATAL|PANIC|ERROR): /.test(line))
      .at(-1) ?? messageOf(cause)
  return new HoldfastError('PROCESS_FAILED', `PostgreSQL in ${dataDir} did not start: ${why}`, {
    object: dataDir,
    cause,
    details: { log },
    next: `read the end of ${logFile}`,
  })
}

function shellQuoted(word: string): string {
  return `'${word.replace(/'/g, `'\\''`)}'`
}
