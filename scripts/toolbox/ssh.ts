/** An SSH server of one's own: sshd on loopback, as the present user, with keys and a configuration of its own. */
import { connect } from 'node:net'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { run } from '../../src/process/run.ts'
import { findProgram } from './find.ts'
import { freePort } from './ports.ts'
import { type Server, serverFolder, startServer } from './server.ts'

export interface SshOptions {
  /** Keeps keys, configuration and log; a temporary folder that stop() removes by default. */
  dir?: string
  port?: number
  /** Lines of sshd_config; the first of a name wins, before those that are there already. */
  settings?: readonly string[]
}

export interface SshServer extends Server {
  host: string
  port: number
  user: string
  /** Private key that the server lets in. */
  identityFile: string
  /** Holds the server's key. */
  knownHostsFile: string
}

const HOST = '127.0.0.1'

/** Starts the server; resolves once it answers. Keys that a folder has are used again. */
export async function startSsh(options: SshOptions = {}): Promise<SshServer> {
  const program = findProgram('sshd')
  const { dir, remove } = await serverFolder(options.dir, 'holdfast-sshd-')
  const port = options.port ?? (await freePort())
  const { username: user } = userInfo()
  // The unprivileged process of a server that root runs lives there; no package script has made it where no init runs.
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 })
  const [hostKey, identityFile] = [join(dir, 'host_key'), join(dir, 'identity')]
  for (const file of [hostKey, identityFile]) await makeKey(file)
  const knownHostsFile = join(dir, 'known_hosts')
  await writeFile(knownHostsFile, `[${HOST}]:${port} ${await readFile(`${hostKey}.pub`, 'utf8')}`)
  const configFile = join(dir, 'sshd_config')
  await writeFile(configFile, [...(options.settings ?? []), ...configuration({ dir, port, user, hostKey, identityFile }), ''].join('\n'))
  const server = await startServer({
    what: `sshd on ${HOST}:${port}`,
    // In the foreground, with messages to the log.
    command: { program, args: ['-D', '-e', '-f', configFile], cwd: dir },
    logFile: join(dir, 'sshd.log'),
    answers: () => greets(port),
    cleanUp: remove,
  })
  const stop = async () => {
    const sessions = await sessionsOf(server.pid)
    await server.stop()
    for (const pid of sessions) endIfThere(pid)
  }
  return { host: HOST, port, user, identityFile, knownHostsFile, pid: server.pid, stop }
}

/** A session outlives its server, in a process group of its own. */
async function sessionsOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return children.split(' ').filter(Boolean).map(Number)
}

function endIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function makeKey(file: string): Promise<void> {
  if (await readFile(file).catch(() => undefined)) return
  await run({ program: 'ssh-keygen', args: ['-q', '-t', 'ed25519', '-N', '', '-C', 'holdfast test', '-f', file] })
}

interface Settled {
  dir: string
  port: number
  user: string
  hostKey: string
  identityFile: string
}

function configuration({ dir, port, user, hostKey, identityFile }: Settled): string[] {
  return [
    `Port ${port}`,
    `ListenAddress ${HOST}`,
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${identityFile}.pub`,
    `PidFile ${join(dir, 'sshd.pid')}`,
    `AllowUsers ${user}`,
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    // Folders below the temporary one are open to others.
    'StrictModes no',
    'X11Forwarding no',
    'PrintMotd no',
  ]
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST)
    socket.setTimeout(1_000, () => socket.destroy())
    socket.once('data', (line) => {
      resolve(String(line).startsWith('SSH-'))
      socket.destroy()
    })
    socket.once('error', () => {})
    socket.once('close', () => resolve(false))
  })
}
