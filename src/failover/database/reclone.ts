/** A new copy of the primary where the old data cannot be rewound: made beside it, put in its place by the same ending. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { formatConnection } from '../../drivers/postgres-common/connect.ts'
import { giveTo } from '../../drivers/postgres-common/folder.ts'
import { renameDurably } from '../../storage/durable.ts'
import { requireFree } from './disk-space.ts'
import { underEpoch } from './epoch.ts'
import { isKept, removeFolder } from './kept-copy.ts'
import { writeNote } from './kept-note.ts'
import { advanceMark, beginMark, type Folders } from './rebuild-folders.ts'
import { configSource, finish, holdPlace, own, type Rebuilding, type Rebuilt, resume } from './rebuild.ts'
import { checkpointed } from './rewind.ts'
import { pidsOf, type Site, siteUser, withSite } from './site.ts'
import { awaitSlotFree, ensureSlot } from './slots.ts'

export interface RecloneRequest extends Rebuilding {
  onProgress?: (phase: string) => void
  /** All that it has came from the primary: nobody needs the copy once it streams. */
  worthless?: boolean | undefined
}

/** May be repeated after an end at any point. What the site had is kept aside first, where a rewind had not done so. */
export async function reclone(request: RecloneRequest): Promise<Rebuilt> {
  const { site, primary } = request
  const folders = await own(request)
  const timeline = await checkpointed(primary)
  await ensureSlot(primary)
  const resumed = await resume({ ...request, folders, method: 'reclone', timeline })
  if (resumed) return resumed
  const old = await oldData(request, folders)
  const mark = await beginMark(folders, 'reclone')
  await removeFolder(folders.rebuild)
  await vacate(request, folders, old)
  await requireFree(site.dataDir, await sizeOf(primary), `a copy of site ${primary.name}`)
  request.onProgress?.('copying the primary')
  await baseBackup(request, folders.rebuild)
  return finish({
    ...request,
    folders,
    mark: await advanceMark(folders, mark),
    configFrom: await configSource(folders, request.fork),
    timeline,
  })
}

type OldData = 'none' | 'kept' | 'only here'

/** Where the old data is. Throws SOURCE_UNFIT where it is in use, or where what was kept is of something else. */
async function oldData({ site, fork }: RecloneRequest, folders: Folders): Promise<OldData> {
  const pids = await pidsOf(site)
  if (pids.length > 0)
    throw new HoldfastError('SOURCE_UNFIT', `${folders.data} is used by process ${pids.join(', ')}`, {
      object: folders.data,
      next: 'fence this site first',
    })
  const old = await readdir(folders.data).catch(() => [] as string[])
  if (old.length === 0) return 'none'
  return (await isKept(folders, fork)) ? 'kept' : 'only here'
}

/** The old data out of the way, never lost: it becomes the kept copy, or goes because there is one of this very fork. */
async function vacate({ fork, worthless }: RecloneRequest, folders: Folders, old: OldData): Promise<void> {
  if (old === 'kept') {
    await removeFolder(folders.partial)
    await renameDurably(folders.data, folders.partial)
  } else if (old === 'only here') {
    await writeNote(folders, fork, worthless)
    await renameDurably(folders.data, folders.kept)
  }
  await holdPlace(folders)
  await rm(folders.partial, { recursive: true, force: true, maxRetries: 5 })
}

async function baseBackup({ site, primary, epoch }: RecloneRequest, target: string): Promise<void> {
  await mkdir(target, { mode: 0o700 })
  const user = siteUser(site)
  if (user) await giveTo(user, target)
  await awaitSlotFree(primary)
  const { replicationUser, replicationPassword, slot, sslmode } = primary.database
  const connection = formatConnection({
    host: primary.address,
    port: String(primary.port),
    user: replicationUser,
    sslmode,
    application_name: site.name,
  })
  const args = ['-D', target, '-X', 'stream', '-c', 'fast', '-S', slot, '--no-password', '-d', connection]
  const env = { LC_ALL: 'C', ...(replicationPassword ? { PGPASSWORD: replicationPassword } : {}) }
  // Working in the target, one that outlived its worker is found there and ended.
  await underEpoch(site, epoch, { program: join(site.binDir, 'pg_basebackup'), args, env, user, cwd: target }, { waitMs: 30_000 })
}

/** Bytes of the primary's databases. Throws SOURCE_UNFIT where it has tablespaces, which a copy beside cannot place. */
async function sizeOf(primary: Site): Promise<number> {
  const { rows } = await withSite(primary, (client) =>
    client.query<{ bytes: string; spaces: string }>(
      'select sum(pg_database_size(oid)) as bytes, (select count(*) from pg_tablespace where oid > 1664) as spaces from pg_database',
    ),
  )
  if (Number(rows[0]?.spaces) > 0)
    throw new HoldfastError('SOURCE_UNFIT', `site ${primary.name} has tablespaces outside of its data directory`, {
      object: primary.name,
      next: 'copy it by hand with pg_basebackup --tablespace-mapping',
    })
  return Number(rows[0]?.bytes)
}
