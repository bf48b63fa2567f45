/** Whether a live server can take the whole of a point by reading it from a scratch server of this worker. */
import { mkdir, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { type Client, infoOf, keyspaceOf, settingOf } from './connect.ts'
import { OWN_PASSWORD } from './live-link.ts'
import { databasesOf } from './restore.ts'
import { compareVersions, GRAPH_MODULE, modulesOf, programVersion, series } from './versions.ts'
import type { Work } from './work.ts'

export async function requireFit({ config }: Work, client: Client, manifest: Manifest): Promise<void> {
  const info = await infoOf(client, 'server', 'replication', 'cluster', 'memory')
  await requireRole(client, info)
  await requireSettings(client, manifest)
  await requireVersions(config.programs.server, client, info['redis_version'] ?? '', manifest)
  const used = Number(manifest.consistency['usedMemory'] ?? 0)
  const most = Number(info['maxmemory'])
  if (most > 0 && used > most)
    throw new HoldfastError('SPACE_SHORT', `the data of the point took ${used} bytes of memory; the server has maxmemory ${most}`, {
      object: 'maxmemory',
      next: 'raise maxmemory of the server',
    })
  const folder = config.scratchDir ?? tmpdir()
  await mkdir(folder, { recursive: true })
  const { bavail, bsize } = await statfs(folder)
  // The RDB of the point, and that of the server after it, for the comparison.
  if (bavail * bsize < 2 * manifest.sizeBytes)
    throw new HoldfastError(
      'SPACE_SHORT',
      `${folder} on the worker has ${bavail * bsize} bytes free; twice the RDB is ${2 * manifest.sizeBytes}`,
      {
        object: folder,
      },
    )
}

export async function requireEmpty(client: Client): Promise<void> {
  const has = Object.entries(await keyspaceOf(client)).map(([db, { keys }]) => `${keys} keys in db ${db}`)
  if (has.length > 0)
    throw new HoldfastError('SOURCE_UNFIT', `the live server is not empty: ${has.join(', ')}`, {
      next: 'give mode replace, or leave mode out',
    })
}

async function requireRole(client: Client, info: Record<string, string>): Promise<void> {
  if (info['cluster_enabled'] === '1') throw unfit('the live server is a node of a cluster', 'restore beside, and copy back what is needed')
  // A restore that was given up may have left it the replica of nobody.
  const given = info['master_port'] === '0' || (await settingOf(client, 'masterauth'))?.startsWith(OWN_PASSWORD)
  if (info['role'] === 'slave' && !given) throw unfit('the live server is a replica', 'restore over its master')
}

async function requireSettings(client: Client, manifest: Manifest): Promise<void> {
  const readOnly = await settingOf(client, 'replica-read-only')
  if (readOnly === undefined)
    throw unfit(
      'the user of the source may not change how the server replicates',
      'allow it for the restore: ACL SETUSER <user> +config +replicaof',
    )
  if (readOnly !== 'yes')
    throw unfit('the live server would take writes while it is replaced, and lose them', 'CONFIG SET replica-read-only yes')
  if ((await settingOf(client, 'tls-replication')) === 'yes')
    throw unfit(
      'the live server replicates by TLS only, which a scratch server does not have',
      'CONFIG SET tls-replication no for the restore',
    )
  const databases = Number(await settingOf(client, 'databases'))
  if (databases < databasesOf(manifest))
    throw unfit(
      `the live server has ${databases} databases; the source had ${databasesOf(manifest)}`,
      'raise databases in its configuration',
    )
}

/** What a scratch server sends is of its own version: an older server does not read it. */
async function requireVersions(program: string, client: Client, live: string, manifest: Manifest): Promise<void> {
  const own = await programVersion(program)
  const was = manifest.versions['redis'] ?? live
  if (series(own) !== series(live) || compareVersions(series(live), series(was)) < 0)
    throw new HoldfastError('VERSION_UNFIT', `the live server is ${live}, ${program} is ${own}, the point is of ${was}`, {
      object: program,
      next: `set programs.server to a redis-server ${series(live)}, as the live server is; a server older than the point does not read it`,
    })
  const graphs = manifest.versions[`module ${GRAPH_MODULE}`]
  const has = graphs && (await modulesOf(client))[GRAPH_MODULE]
  if (graphs && (has === undefined || Number(has) < Number(graphs)))
    throw new HoldfastError('VERSION_UNFIT', `the point has graphs of module version ${graphs}; the live server has ${has ?? 'none'}`, {
      object: GRAPH_MODULE,
      next: 'load that version of the module into the live server, or a later one',
    })
}

function unfit(message: string, next: string): HoldfastError {
  return new HoldfastError('SOURCE_UNFIT', message, { next })
}
