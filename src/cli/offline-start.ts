/** How a restored cluster is started by hand, and how one connects to it then. */
import { access, constants, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { giveTo } from '../drivers/postgres-common/folder.ts'
import { readControlData, settingsToFollow } from '../drivers/postgres-physical/controldata.ts'
import { run } from '../process/run.ts'
import { shellWord } from '../core/shell.ts'

/** Whatever the source listened on: the copy's socket lies in a folder of its own. */
export const PORT = '5432'

export interface Restored {
  dataDir: string
  into: string
  user: string | undefined
}

/** To be typed in order. */
export async function startCommands({ dataDir, into, user }: Restored): Promise<string[]> {
  const as = user ? `runuser -u ${user} -- ` : ''
  const major = await majorOf(dataDir)
  const found = await programsOf(major)
  const program = (name: string) => shellWord(join(found ?? debianFolder(major), name))
  const socket = join(into, 'socket')
  return [
    `# PostgreSQL ${major}; it listens on a socket in ${socket} only, until listen_addresses in ${join(dataDir, 'postgresql.auto.conf')} says otherwise`,
    `# to stop before a mistake, add recovery_target_time = '2026-01-15 12:00:00+00' and recovery_target_action = 'promote' there first`,
    ...(found
      ? []
      : [
          `# pg_ctl of PostgreSQL ${major} was not found on this machine: install it and restore again, so that the copy gets the settings that it needs`,
        ]),
    `${as}${program('pg_ctl')} -D ${shellWord(dataDir)} -l ${shellWord(join(into, 'log'))} -t 3600 -w start`,
    `${as}${program('psql')} -h ${shellWord(socket)} -p ${PORT} -U postgres -d postgres`,
  ]
}

const FILES = {
  'postgresql.conf': '# the source kept its own elsewhere; what this copy needs is in postgresql.auto.conf\n',
  'pg_hba.conf': '# the source kept its own elsewhere; the folder of the socket is private to the user\nlocal all all trust\n',
  'pg_ident.conf': '',
}

/**
 * Debian keeps a cluster's configuration out of its data directory, and no server starts without one. Gives the settings
 * that must not be smaller than the source's were.
 */
export async function completeConfiguration({ dataDir, user }: Pick<Restored, 'dataDir' | 'user'>): Promise<Record<string, string>> {
  const whole = await isThere(join(dataDir, 'postgresql.conf'))
  for (const [name, text] of Object.entries(FILES)) {
    const file = join(dataDir, name)
    if (await isThere(file)) continue
    await writeFile(file, text, { mode: 0o600 })
    if (user) await giveTo(user, file)
  }
  const binDir = whole ? undefined : await programsOf(await majorOf(dataDir))
  return binDir ? settingsToFollow(await readControlData({ dataDir, binDir })) : {}
}

const majorOf = async (dataDir: string) => (await readFile(join(dataDir, 'PG_VERSION'), 'utf8')).trim()

const debianFolder = (major: string) => `/usr/lib/postgresql/${major}/bin`

/** The folder with the programs of this version: Debian and Red Hat keep them off PATH, where another version may be. */
async function programsOf(major: string): Promise<string | undefined> {
  for (const folder of [debianFolder(major), `/usr/pgsql-${major}/bin`]) if (await isThere(join(folder, 'pg_ctl'))) return folder
  for (const folder of (process.env['PATH'] ?? '').split(delimiter).filter((one) => one.startsWith('/'))) {
    const program = join(folder, 'pg_ctl')
    if (!(await isThere(program))) continue
    const { stdout } = await run({ program, args: ['--version'] })
    if (stdout.includes(`(PostgreSQL) ${major}.`)) return folder
  }
  return undefined
}

const isThere = (path: string) =>
  access(path, constants.F_OK).then(
    () => true,
    () => false,
  )
