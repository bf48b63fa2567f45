/** A whole data directory becomes that of a standby: what rewind, re-clone and a planned switch have in common. */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { formatConnection } from '../../drivers/postgres-common/connect.ts'
import { giveTo } from '../../drivers/postgres-common/folder.ts'
import { run } from '../../process/run.ts'
import { writeDurably } from '../../storage/durable.ts'
import { syncTree } from './kept-copy.ts'
import { foldersOf } from './rebuild-folders.ts'
import { ensureSlot, forgetOwnSlot } from './slots.ts'
import { type Site, siteUser } from './site.ts'

/** What PostgreSQL itself keeps at the top of a data directory: everything else there is the site's own. */
const MANAGED =
  /^(base|global|log|pg_log|PG_VERSION|postgresql\.auto\.conf|postmaster\.(pid|opts)|(backup_label|tablespace_map)(\.old)?|(standby|recovery)\.(signal|conf|done)|backup_manifest|current_logfiles|holdfast.*)$/
const PG_FOLDER = /^pg_(?!hba|ident)/
/** Settings of another life, in postgresql.auto.conf. */
const REPLACED = /^\s*(primary_conninfo|primary_slot_name|recovery_target\w*)\b/

export interface StandbyFiles {
  site: Site
  primary: Site
  /** The data directory to configure; not running. */
  dir: string
  /** Where the site's own configuration stands; undefined where it was lost with its disk. */
  configFrom: string | undefined
}

/** Configuration of the site's own, signal, connection to the primary, slot: all of it on the disk before this resolves. */
export async function configureStandby({ site, primary, dir, configFrom }: StandbyFiles): Promise<void> {
  if (configFrom && configFrom !== dir) await putBackConfig(configFrom, dir)
  const passfile = await writePassfile(site, primary)
  const own = configFrom ? await readFile(join(configFrom, 'postgresql.auto.conf'), 'utf8').catch(() => '') : addressLines(site)
  const kept = own.split('\n').filter((line) => line !== '' && !REPLACED.test(line))
  const lines = [
    ...kept,
    setting('primary_conninfo', primaryConninfo(site, primary, passfile)),
    setting('primary_slot_name', primary.database.slot),
  ]
  await writeDurably(join(dir, 'postgresql.auto.conf'), `${lines.join('\n')}\n`)
  for (const name of ['recovery.signal', 'postmaster.pid', 'postmaster.opts', 'backup_manifest']) await rm(join(dir, name), { force: true })
  await writeDurably(join(dir, 'standby.signal'), '')
  const user = siteUser(site)
  if (user) for (const name of ['postgresql.auto.conf', 'standby.signal']) await giveTo(user, join(dir, name))
  await forgetOwnSlot(site, dir)
  await ensureSlot(primary)
  await syncTree(site, dir)
}

/** pg_rewind and pg_basebackup bring the other side's port, addresses, archive command and rules. */
async function putBackConfig(from: string, dir: string): Promise<void> {
  for (const name of (await readdir(from)).filter((entry) => !MANAGED.test(entry) && !PG_FOLDER.test(entry))) {
    await rm(join(dir, name), { recursive: true, force: true })
    await run({ program: 'cp', args: ['-a', '--', join(from, name), join(dir, name)], cwd: dir })
  }
}

function primaryConninfo(site: Site, primary: Site, passfile: string | undefined): string {
  const { replicationUser, sslmode } = primary.database
  return formatConnection({
    host: primary.address,
    port: String(primary.port),
    user: replicationUser,
    sslmode,
    application_name: site.name,
    ...(passfile ? { passfile } : {}),
  })
}

/** Beside the data directory, where neither pg_rewind nor a backup carries it to the other side. */
async function writePassfile(site: Site, primary: Site): Promise<string | undefined> {
  const { replicationPassword, replicationUser } = primary.database
  if (!replicationPassword) return undefined
  const { passfile } = foldersOf(site.dataDir)
  const field = (text: string) => text.replace(/[\\:]/g, '\\$&')
  await writeDurably(passfile, `${field(primary.address)}:${primary.port}:*:${field(replicationUser)}:${field(replicationPassword)}\n`)
  const user = siteUser(site)
  if (user) await giveTo(user, passfile)
  return passfile
}

function addressLines(site: Site): string {
  return [setting('listen_addresses', site.address), setting('port', String(site.port))].join('\n')
}

function setting(name: string, value: string): string {
  return `${name} = '${value.replaceAll("'", "''")}'`
}
