/** Runs scripts on another host by the system's ssh, over one connection that is opened at the first and shared by all. */
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SshRepositoryConfig } from '../config/schema.ts'
import { type ErrorCode, HoldfastError, messageOf } from '../core/errors.ts'
import { type Chain, startChain } from '../process/chain.ts'
import type { Command } from '../process/command.ts'
import { type Daemon, startDaemon } from '../process/daemon.ts'
import { run } from '../process/run.ts'
import { shellWord } from '../core/shell.ts'
import { until } from '../process/wait.ts'
import { FAR } from './ssh-far.ts'

export interface Link {
  /** Runs the script with the root and these arguments; a code of FAR is given back as it is. */
  call(script: string, args: readonly string[], options?: { body?: Buffer; signal?: AbortSignal | undefined }): Promise<Answer>
  /** The same, for what is too long to be kept: its output as a stream. */
  open(script: string, args: readonly string[]): Promise<Chain>
  /** Why a stream failed, as an error of a store. */
  problem(error: unknown, action: string, key: string): unknown
  close(): void
}

export interface Answer {
  exitCode: number
  stdout: string
}

interface Master {
  socket: string
  stop(): Promise<void>
}

/** A server lets a connection carry ten sessions unless it was told otherwise; downloads need some too. */
const AT_ONCE = 6
const CONNECT_SECONDS = 15

export function createLink(config: SshRepositoryConfig, name: string): Link {
  const limit = limiter(AT_ONCE)
  let master: Promise<Master> | undefined

  const forgetMaster = () => {
    master = undefined
  }
  const connected = (): Promise<Master> => {
    if (master) return master
    const opening = openMaster(config, name, forgetMaster)
    opening.catch(forgetMaster)
    master = opening
    return opening
  }

  const command = async (script: string, args: readonly string[], stdin?: Buffer): Promise<Command> => {
    const { socket } = await connected()
    const far = ['sh', '-c', script, 'holdfast', config.path, ...args].map(shellWord).join(' ')
    return { program: 'ssh', args: [...optionsOf(config), '-S', socket, '--', config.host, far], ...(stdin && { stdin }) }
  }

  return {
    call: (script, args, { body, signal } = {}) =>
      limit(async () => {
        const { exitCode, stdout } = await run(await command(script, args, body), { accept: [0, ...Object.values(FAR)], signal })
        if (exitCode === FAR.noRoot) throw noRoot(config, name)
        return { exitCode, stdout }
      }),
    open: async (script, args) => startChain([await command(script, args)]),
    problem: (error, action, key) => problemOf(error, { config, name, action, key }),
    close() {
      void master?.then(({ stop }) => stop()).catch(() => {})
    },
  }
}

function optionsOf({ port, user, identityFile, knownHostsFile }: SshRepositoryConfig): string[] {
  const options = {
    // Nobody is there to answer a question, and an unknown host is not to be believed.
    BatchMode: 'yes',
    StrictHostKeyChecking: 'yes',
    ConnectTimeout: CONNECT_SECONDS,
    ServerAliveInterval: 10,
    ServerAliveCountMax: 3,
    LogLevel: 'ERROR',
    ...(port !== undefined && { Port: port }),
    ...(user !== undefined && { User: user }),
    ...(identityFile !== undefined && { IdentityFile: identityFile, IdentitiesOnly: 'yes' }),
    ...(knownHostsFile !== undefined && { UserKnownHostsFile: knownHostsFile }),
  }
  return ['-T', ...Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`])]
}

/** The connection that the others go through; where it is lost, ssh connects anew for each until it is opened again. */
async function openMaster(config: SshRepositoryConfig, name: string, onLost: () => void): Promise<Master> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-ssh-'))
  const [socket, logFile] = [join(dir, 's'), join(dir, 'log')]
  const forget = () => rm(dir, { recursive: true, force: true })
  let daemon: Daemon | undefined
  let [ready, ended] = [false, false]
  try {
    const args = [...optionsOf(config), '-N', '-M', '-S', socket, '--', config.host]
    daemon = await startDaemon({ program: 'ssh', args }, { logFile })
    void daemon.exited.then(() => {
      ended = true
      onLost()
      if (ready) return forget()
    })
    const what = `ssh to ${config.host}`
    await until(() => ended || existsSync(socket), { timeoutMs: 2 * CONNECT_SECONDS * 1000, everyMs: 10, what })
    if (ended) throw refused(name, (await readFile(logFile, 'utf8')).trim())
    ready = true
    const { stop } = daemon
    return { socket, stop: () => stop() }
  } catch (error) {
    await daemon?.stop()
    await forget()
    throw error instanceof HoldfastError && error.code === 'PROCESS_TIMEOUT' ? refused(name, 'it does not answer', error) : error
  }
}

const DENIED =
  /Permission denied|Host key verification failed|No matching host key|REMOTE HOST IDENTIFICATION|Identity file .* not accessible/i

function refused(name: string, said: string, cause?: unknown): HoldfastError {
  const denied = DENIED.test(said)
  return new HoldfastError(denied ? 'STORE_DENIED' : 'STORE_UNREACHABLE', `${name} cannot be reached: ${said}`, {
    object: name,
    cause,
    ...(denied && { next: 'put the key of the host into knownHostsFile, and the public key of identityFile into authorized_keys there' }),
  })
}

function noRoot({ path, host }: SshRepositoryConfig, name: string): HoldfastError {
  return new HoldfastError('STORE_UNREACHABLE', `${name} is not there: ${host} cannot enter ${path}`, {
    object: path,
    retryable: false,
    next: 'create the folder on that host, or mount the disk that holds it',
  })
}

interface Failing {
  config: SshRepositoryConfig
  name: string
  action: string
  key: string
}

const SAID: [RegExp, ErrorCode][] = [
  [/No space left|Disk quota exceeded/i, 'SPACE_SHORT'],
  [/Permission denied|Read-only file system|Operation not permitted/i, 'STORE_DENIED'],
  [/not found|unrecognized option|invalid option|Operation not supported/i, 'STORE_UNSUPPORTED'],
  // A name that is a file here and a folder there.
  [/Not a directory|File exists|Is a directory|cannot overwrite/i, 'STORE_CONFLICT'],
]

function problemOf(error: unknown, { config, name, action, key }: Failing): unknown {
  if (!(error instanceof HoldfastError) || error.code !== 'PROCESS_FAILED') return error
  const { exitCode, stderr } = error.details as { exitCode?: number; stderr?: string }
  if (exitCode === FAR.noRoot) return noRoot(config, name)
  const said = stderr || messageOf(error)
  if (exitCode === 255) return refused(name, said, error)
  const [, code] = SAID.find(([words]) => words.test(said)) ?? [undefined, 'STORE_UNREACHABLE' as const]
  return new HoldfastError(code, `${name} could not ${action} ${key}: ${said}`, { object: key, cause: error })
}

/** So many at once; the others wait in the order they came. */
function limiter(most: number): <T>(task: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let running = 0
  return async (task) => {
    if (running >= most) await new Promise<void>((next) => waiting.push(next))
    else running += 1
    try {
      return await task()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}
