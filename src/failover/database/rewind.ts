/**
 * A fenced old primary as a standby of the new one, by pg_rewind. All of it happens in a folder of another name, which no
 * supervisor starts; the last step, under the epoch, gives the folder its place.
 */
import { appendFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { formatConnection, withClient } from '../../drivers/postgres-common/connect.ts'
import { run } from '../../process/run.ts'
import { renameDurably } from '../../storage/durable.ts'
import { readControlData } from './control-data.ts'
import { underEpoch } from './epoch.ts'
import type { Fork } from './fork.ts'
import { rewindGrants } from './grants.ts'
import { copyAside, ensureKept, removeFolder } from './kept-copy.ts'
import { advanceMark, asPrimary, beginMark, type Folders } from './rebuild-folders.ts'
import { finish, holdPlace, own, type Rebuilt, resume } from './rebuild.ts'
import { ensureSlot } from './slots.ts'
import { connectionOf, readPosition, type Site, siteUser, withSite } from './site.ts'
import { parseLsn } from './wal-position.ts'

export interface RewindRequest {
  /** Fenced: nothing runs on its data. */
  site: Site
  primary: Site
  /** Undefined where there is none: nothing that could be rewound. */
  fork: Fork | undefined
  epoch: number
  /** Fetches WAL that the site has recycled; its own configuration's is used where none is given. */
  restoreCommand?: string | undefined
  onProgress?: (phase: string) => void
  /** All that it has came from the primary: nobody needs the copy once it streams. */
  worthless?: boolean | undefined
}

/**
 * May be repeated after an end at any point. Throws REWIND_FAILED where pg_rewind cannot do it: then `reclone` is the
 * way, and what the site had is still in the kept copy.
 */
export async function rewind(request: RewindRequest): Promise<Rebuilt> {
  const { site, primary, fork } = request
  if (!fork)
    throw new HoldfastError(
      'REWIND_FAILED',
      `the data of site ${site.name} is gone, or of another branch than that of site ${primary.name}`,
      { object: site.dataDir },
    )
  const folders = await own(request)
  const timeline = await checkpointed(primary)
  // Before anything is copied, so that the WAL written meanwhile is still there when the standby asks for it.
  await ensureSlot(primary)
  const resumed = await resume({ ...request, folders, method: 'rewind', timeline })
  if (resumed) return resumed
  request.onProgress?.('keeping the old data aside')
  const kept = await ensureKept(site, fork, request.worthless).catch(asRewindFailure)
  const mark = await beginMark(folders, 'rewind')
  await prepareTarget(site, folders, kept)
  request.onProgress?.('rewinding')
  await runRewind({ ...request, fork }, folders.rebuild)
  return finish({ ...request, folders, mark: await advanceMark(folders, mark), configFrom: kept, timeline })
}

/**
 * Right after a promotion pg_rewind takes the new primary to be on the old timeline still, says "no rewind required" and
 * exits 0: it reads the control file, which only a checkpoint brings up to date.
 */
export async function checkpointed(primary: Site): Promise<number> {
  return withSite(primary, async (client) => {
    await client.query('checkpoint')
    const { timeline, standby } = await readPosition(client)
    const { rows } = await client.query<{ timeline: number }>('select timeline_id as timeline from pg_control_checkpoint()')
    if (!standby && rows[0]?.timeline === timeline) return timeline
    throw new HoldfastError(
      'NOT_READY',
      `site ${primary.name} is ${standby ? 'a standby' : `on timeline ${timeline}, and its control file on ${rows[0]?.timeline}`}`,
      { object: primary.name },
    )
  })
}

/** The old data under the other name: moved there the first time, copied from what was kept after a half. */
async function prepareTarget(site: Site, folders: Folders, kept: string): Promise<void> {
  await removeFolder(folders.rebuild)
  const old = await readdir(folders.data).catch(() => [] as string[])
  if (old.length > 0) {
    await renameDurably(folders.data, folders.rebuild)
  } else {
    const spaces = await readdir(join(kept, 'pg_tblspc')).catch(() => [] as string[])
    if (spaces.length > 0)
      throw new HoldfastError(
        'REWIND_FAILED',
        `the data of site ${site.name} was half rewound, and its tablespaces are outside of ${kept}`,
        { object: site.dataDir },
      )
    await copyAside(kept, folders.rebuild, site.signal)
  }
  await holdPlace(folders)
  await asPrimary({ dataDir: folders.rebuild })
}

type Forked = RewindRequest & { fork: Fork }

async function runRewind(request: Forked, target: string): Promise<void> {
  const { site, primary, epoch } = request
  const control = await readControlData({ ...site, dataDir: target })
  if (control.raw['wal_log_hints setting'] !== 'on' && control.raw['Data page checksum version'] === '0') {
    throw new HoldfastError(
      'REWIND_FAILED',
      `site ${site.name} has neither page checksums nor wal_log_hints: its pages cannot be compared`,
      { object: site.dataDir },
    )
  }
  const config = await configArguments(site, target)
  const restores = await setRestoreCommand(request, target, config)
  const { connection, env } = await sourceConnection(primary)
  const args = [
    '-R',
    ...(restores ? ['-c'] : []),
    '-D',
    target,
    `--source-server=${connection}`,
    ...config.map((file) => `--config-file=${file}`),
  ]
  const command = { program: join(site.binDir, 'pg_rewind'), args, env: { ...env, LC_ALL: 'C' }, user: siteUser(site), cwd: target }
  const { stdout, stderr } = await underEpoch(site, epoch, command, { waitMs: 30_000 }).catch(asRewindFailure)
  if (/no rewind required/.test(stdout + stderr)) await requireAncestor(request, target)
}

/** Right only where the old side ended cleanly before the fork, and so has nothing that the new side lacks. */
async function requireAncestor({ site, fork }: Forked, target: string): Promise<void> {
  const control = await readControlData({ ...site, dataDir: target })
  if (control.state === 'shut down' && parseLsn(control.checkpointLsn) < parseLsn(fork.lsn)) return
  throw new HoldfastError(
    'REWIND_FAILED',
    `pg_rewind says "no rewind required", but site ${site.name} (${control.state}, checkpoint at ${control.checkpointLsn}) left timeline ${fork.timeline} after ${fork.lsn}`,
    { object: site.dataDir },
  )
}

/** A configuration elsewhere names the data directory by its real name: one that includes it names the target. */
async function configArguments(site: Site, target: string): Promise<string[]> {
  if (!site.configDir) return []
  const file = join(target, 'holdfast.conf')
  await writeFile(file, `include '${join(site.configDir, 'postgresql.conf')}'\ndata_directory = '${target}'\n`)
  return [file]
}

async function setRestoreCommand({ site, restoreCommand }: RewindRequest, target: string, config: string[]): Promise<boolean> {
  if (restoreCommand) {
    await appendFile(join(target, 'postgresql.auto.conf'), `restore_command = '${restoreCommand.replaceAll("'", "''")}'\n`)
    return true
  }
  const args = ['-D', target, ...config.flatMap((file) => ['-c', `config_file=${file}`]), '-C', 'restore_command']
  const { stdout } = await run({ program: join(site.binDir, 'postgres'), args, user: siteUser(site), cwd: target }).catch(asRewindFailure)
  return stdout.trim() !== ''
}

/** The replication role, in whichever database it has the grants, else the group's user; the password by environment. */
async function sourceConnection(primary: Site): Promise<{ connection: string; env: Record<string, string> }> {
  const { user, password, replicationUser, replicationPassword, dbname, sslmode } = primary.database
  const missing: string[] = []
  for (const role of [
    { name: replicationUser, password: replicationPassword },
    { name: user, password },
  ]) {
    for (const database of new Set([dbname, 'postgres'])) {
      const lacks = await withClient(connectionOf(primary, { dbname: database }), {}, (client) => rewindGrants(client, role.name))
      missing.push(...lacks)
      if (lacks.length > 0) continue
      const connection = formatConnection({ host: primary.address, port: String(primary.port), user: role.name, dbname: database, sslmode })
      return { connection, env: role.password ? { PGPASSWORD: role.password } : {} }
    }
  }
  throw new HoldfastError('SOURCE_UNFIT', `role ${replicationUser} may not read what pg_rewind reads from site ${primary.name}`, {
    object: replicationUser,
    next: missing.slice(0, 4).join(' '),
  })
}

/** What pg_rewind or its target refuses leads to a re-clone; what somebody else decided does not. */
function asRewindFailure(cause: unknown): never {
  const code = cause instanceof HoldfastError ? cause.code : undefined
  if (code !== 'PROCESS_FAILED' && code !== 'SOURCE_UNFIT') throw cause
  throw new HoldfastError('REWIND_FAILED', messageOf(cause), {
    object: (cause as HoldfastError).object,
    cause,
    details: (cause as HoldfastError).details,
  })
}
