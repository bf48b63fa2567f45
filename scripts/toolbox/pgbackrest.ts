/** pgBackRest configurations for clusters of the toolbox: secrets stand in a file of 0640, never in argv. */
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../src/process/run.ts'
import { osUser } from '../../src/process/user.ts'
import { findProgram } from './find.ts'
import { OS_USER, postgresFolder } from './postgres.ts'

export type BackrestRepo =
  | { type: 'posix'; path: string }
  | {
      type: 's3'
      bucket: string
      endpoint: string
      region?: string
      caFile?: string
      accessKeyId: string
      secretAccessKey: string
      path?: string
    }

export interface BackrestOptions {
  /** Folder for the configuration, locks and logs; made if it is not there. */
  dir: string
  stanza: string
  pg: { path: string; port: number; socketDir: string }
  repo: BackrestRepo
  /** Encrypts the repository. */
  cipherPass?: string
  /** More lines of the global section, like `{ 'process-max': '2' }`. */
  settings?: Record<string, string>
}

/** Writes the configuration, and makes its folders; resolves to the file's path. */
export async function writePgbackrestConfig({ dir, stanza, pg, repo, cipherPass, settings }: BackrestOptions): Promise<string> {
  await mkdir(dir, { recursive: true })
  await chmod(dir, 0o755)
  const folders = { 'lock-path': join(dir, 'lock'), 'log-path': join(dir, 'log'), 'spool-path': join(dir, 'spool') }
  for (const folder of Object.values(folders)) await postgresFolder(folder)
  if (repo.type === 'posix') await postgresFolder(repo.path, 0o750)
  const global = {
    ...repoLines(repo),
    ...folders,
    ...(cipherPass ? { 'repo1-cipher-type': 'aes-256-cbc', 'repo1-cipher-pass': cipherPass } : {}),
    // Only Holdfast expires. The high counts also silence the warning about an unbounded repository.
    'expire-auto': 'n',
    'repo1-retention-full': '9999999',
    'start-fast': 'y',
    'compress-type': 'lz4',
    'log-level-file': 'off',
    'log-level-console': 'warn',
    ...settings,
  }
  const cluster = { 'pg1-path': pg.path, 'pg1-port': String(pg.port), 'pg1-socket-path': pg.socketDir, 'pg1-user': 'postgres' }
  const file = join(dir, 'pgbackrest.conf')
  await writeFile(file, section('global', global) + section(stanza, cluster), { mode: 0o640 })
  const owner = OS_USER === undefined ? undefined : osUser(OS_USER)
  if (owner) await chown(file, 0, owner.gid)
  return file
}

/** The value of `archive_command` for a cluster. */
export function archiveCommand(configFile: string, stanza: string): string {
  return `${findProgram('pgbackrest')} --config=${configFile} --stanza=${stanza} archive-push %p`
}

/** Makes the stanza in the repository; its cluster runs. May be called twice. */
export async function createStanza(configFile: string, stanza: string): Promise<void> {
  await run({
    program: findProgram('pgbackrest'),
    args: [`--config=${configFile}`, `--stanza=${stanza}`, 'stanza-create'],
    cwd: '/',
    user: OS_USER,
  })
}

function repoLines(repo: BackrestRepo): Record<string, string> {
  if (repo.type === 'posix') return { 'repo1-type': 'posix', 'repo1-path': repo.path }
  const url = new URL(repo.endpoint)
  // pgBackRest finds names in a certificate, and no addresses.
  const host = url.hostname === '127.0.0.1' ? 'localhost' : url.hostname
  return {
    'repo1-type': 's3',
    'repo1-path': repo.path ?? '/pgbackrest',
    'repo1-s3-bucket': repo.bucket,
    'repo1-s3-endpoint': host,
    'repo1-storage-port': url.port || '443',
    'repo1-s3-region': repo.region ?? 'us-east-1',
    'repo1-s3-uri-style': 'path',
    'repo1-s3-key': repo.accessKeyId,
    'repo1-s3-key-secret': repo.secretAccessKey,
    ...(repo.caFile ? { 'repo1-storage-ca-file': repo.caFile } : {}),
  }
}

function section(name: string, lines: Record<string, string>): string {
  return `[${name}]\n${Object.entries(lines)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')}\n`
}
