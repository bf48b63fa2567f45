/** A PostgreSQL that ships its log by the real command line, and copies of it that read it back. */
import { spawn } from 'node:child_process'
import { appendFile, chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../scripts/toolbox/ports.ts'
import { type Cluster, createCluster, openCluster, OS_USER, postgresFolder, settingsLines } from '../../scripts/toolbox/postgres.ts'
import { shellWord } from '../../src/core/shell.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import { makeIdentity } from './age.ts'
import { SIGNING } from './catalog.ts'

const ENTRY = fileURLToPath(new URL('../../workers/holdfast.ts', import.meta.url))
export const ARCHIVE = 'shop'

/** Writes the configuration and its keys for the user that PostgreSQL runs as. Gives its path. */
export async function writeArchiveConfig(root: string, repository: object, more: { identityFile?: string } = {}): Promise<string> {
  const dir = join(root, 'etc')
  await mkdir(dir, { recursive: true })
  const identity = await makeIdentity(dir, 'age-identity.txt')
  const privateKeyFile = join(dir, 'signing.pem')
  await writeFile(privateKeyFile, SIGNING.privateKeyPem, { mode: 0o600 })
  const config = join(dir, 'holdfast.yaml')
  const { keyId, publicKey } = SIGNING
  await writeFile(
    config,
    JSON.stringify({
      repositories: { hot: repository },
      encryption: { recipients: [identity.recipient], identityFile: more.identityFile ?? identity.file },
      signing: { keyId, privateKeyFile, publicKeys: { [keyId]: publicKey } },
      sources: {},
      archives: { [ARCHIVE]: { repository: 'hot' } },
    }),
  )
  await giveToPostgres(dir)
  return config
}

export async function giveToPostgres(path: string): Promise<void> {
  if (OS_USER) await run({ program: 'chown', args: ['-R', OS_USER, path] })
}

/** As it stands in postgresql.conf. */
export const commandLine = (config: string, ...words: string[]): string =>
  [process.execPath, ENTRY, '--config', config, ...words].map((word) => (word.startsWith('%') ? `"${word}"` : shellWord(word))).join(' ')

export const archiveCommand = (config: string): string => commandLine(config, 'wal-push', ARCHIVE, '%p')
export const restoreCommand = (config: string): string => commandLine(config, 'wal-fetch', ARCHIVE, '%f', '%p')

export function shippingCluster(root: string, config: string): Promise<Cluster> {
  return createCluster({
    dir: join(root, 'primary'),
    settings: { archive_mode: 'on', archive_command: archiveCommand(config), wal_keep_size: '0' },
  })
}

/** Ends the segment and waits until the archiver has had its success for it. Gives its name. */
export async function shipped(cluster: Cluster): Promise<string> {
  const [row] = await cluster.query('select pg_walfile_name(pg_switch_wal()) as name')
  const name = String(row?.['name'])
  await until(
    async () => String((await cluster.query('select last_archived_wal from pg_stat_archiver'))[0]?.['last_archived_wal']) >= name,
    {
      timeoutMs: 60_000,
      what: `${name} to be archived`,
    },
  )
  return name
}

/** A base backup that needs the archive for all of its log, as a cluster that is not started. */
export async function baseBackup(cluster: Cluster, root: string, settings: Record<string, string>): Promise<Cluster> {
  await mkdir(root)
  await chmod(root, 0o755)
  const dataDir = join(root, 'data')
  await cluster.basebackupTo(dataDir, ['-X', 'none', '--no-manifest'])
  const socketDir = await postgresFolder(join(root, 'socket'), 0o755)
  const port = await freePort()
  await appendFile(
    join(dataDir, 'postgresql.auto.conf'),
    settingsLines({ port: String(port), unix_socket_directories: socketDir, archive_mode: 'off', archive_command: '', ...settings }),
  )
  await writeFile(join(dataDir, 'recovery.signal'), '')
  await giveToPostgres(dataDir)
  return openCluster({ dir: root, address: '127.0.0.1', port })
}

/** Every file below, from the folder on. */
export async function filesBelow(dir: string): Promise<string[]> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true })
  return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
}

/** Sends the command line a signal once the condition holds; gives its exit code and what it said. */
export async function signalled(
  args: string[],
  when: () => Promise<boolean>,
  signal: NodeJS.Signals,
): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [ENTRY, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<{ code: number | null; stderr: string }>((done) => child.once('close', (code) => done({ code, stderr })))
  try {
    await until(when, { timeoutMs: 60_000, everyMs: 2, what: `${args.join(' ')} to be under way` })
    child.kill(signal)
    return await ended
  } finally {
    child.kill('SIGKILL')
  }
}
