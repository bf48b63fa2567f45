/** Whether a capture of this server can succeed, before it is begun. Changes nothing. */
import { access, constants } from 'node:fs/promises'
import { freemem } from 'node:os'
import { HoldfastError } from '../../core/errors.ts'
import type { DriverContext, Preflight } from '../driver.ts'
import { type Client, infoOf, placeOf, withServer } from './connect.ts'
import { compareVersions, GRAPH_MODULE, modulesOf, programVersion } from './versions.ts'
import type { Work } from './work.ts'

type Finding = Preflight['findings'][number]
type Info = Record<string, string>

const OLDEST = '7.0'

export async function preflight({ config, server }: Work, context: DriverContext): Promise<Preflight> {
  context.onProgress({ phase: 'preflight' })
  const at = await server()
  const programs = {
    'redis-server program': await programVersion(config.programs.server, context.signal),
    'redis-check-rdb': await programVersion(config.programs.checkRdb, context.signal),
    'redis-cli': await programVersion(config.programs.cli, context.signal),
  }
  return withServer(at, async (client) => {
    const info = await infoOf(client, 'server', 'memory', 'persistence', 'replication', 'cluster')
    const version = info['redis_version'] ?? ''
    requireVersions(placeOf(at), version, programs)
    const modules = await modulesOf(client)
    const findings = [
      clusterFinding(info),
      replicaFinding(info),
      modulesFinding(config, modules),
      memoryFinding(config, info),
      savesFinding(info),
      await folderFinding(config),
      await usersFinding(config, client),
    ]
    return {
      versions: { redis: version, ...programs, ...Object.fromEntries(Object.entries(modules).map(([name, of]) => [`module ${name}`, of])) },
      estimateBytes: Number(info['used_memory']),
      findings: findings.filter((finding): finding is Finding => finding !== undefined),
    }
  })
}

function requireVersions(place: string, version: string, { 'redis-cli': _, ...programs }: Record<string, string>): void {
  if (compareVersions(version, OLDEST) < 0)
    throw new HoldfastError('VERSION_UNFIT', `${place} is Redis ${version}; the oldest that this driver knows is ${OLDEST}`, {
      object: place,
      next: `upgrade the server to ${OLDEST} or later`,
    })
  for (const [program, of] of Object.entries(programs))
    if (compareVersions(of, version) < 0)
      throw new HoldfastError('VERSION_UNFIT', `the ${program} of this worker is ${of}, older than ${place}, which is ${version}`, {
        object: program,
        next: `install the programs of Redis ${version} and set programs of the source to their paths`,
      })
}

const clusterFinding = (info: Info): Finding => ({
  name: 'cluster',
  ok: info['cluster_enabled'] !== '1',
  required: true,
  detail:
    info['cluster_enabled'] === '1'
      ? 'the server is a node of a cluster: it has a part of the data only'
      : 'the server has all of the data',
  next: 'this driver backs up servers by themselves, not clusters',
})

function replicaFinding(info: Info): Finding | undefined {
  if (info['role'] !== 'slave') return undefined
  const ok = info['master_link_status'] === 'up'
  return {
    name: 'replica',
    ok,
    required: true,
    detail: ok ? 'the server is a replica, and follows its master' : 'the server is a replica that has lost its master',
    next: 'back up the master, or mend the replication',
  }
}

function modulesFinding({ modules: paths, load }: Work['config'], modules: Record<string, string>): Finding | undefined {
  const names = Object.keys(modules)
  if (names.length === 0) return undefined
  const graphs = GRAPH_MODULE in modules ? ', which is how a FalkorDB is restored' : ''
  return {
    name: 'modules',
    ok: paths.length > 0,
    required: load,
    detail: paths.length > 0 ? names.join(', ') : `a scratch server without ${names.join(', ')} does not load this RDB`,
    next: `set modules of the source to the paths of these modules on the worker${graphs}`,
  }
}

function memoryFinding({ load }: Work['config'], info: Info): Finding | undefined {
  if (!load) return undefined
  const need = Number(info['used_memory'])
  const free = freemem()
  return {
    name: 'memory',
    ok: free > need,
    required: true,
    detail: `loading the RDB takes about ${need} bytes of memory, and the worker has ${free}`,
    next: 'let a worker with more memory do it, or set load to false: then only a proof loads it',
  }
}

const savesFinding = (info: Info): Finding => ({
  name: 'last save',
  ok: info['rdb_last_bgsave_status'] === 'ok',
  required: false,
  detail: info['rdb_last_bgsave_status'] === 'ok' ? 'ended well' : 'the last save of the server failed',
  next: 'read the log of the server: its disk may be full, or it has no memory to fork',
})

async function folderFinding({ fetch, dataDir = '' }: Work['config']): Promise<Finding | undefined> {
  if (fetch !== 'folder') return undefined
  const ok = await access(dataDir, constants.R_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
  return {
    name: 'data folder',
    ok,
    required: true,
    detail: ok ? dataDir : `the worker cannot read ${dataDir}`,
    next: 'run the worker of the host as a user that may read the data folder, and correct dataDir',
  }
}

async function usersFinding({ acl }: Work['config'], client: Client): Promise<Finding | undefined> {
  if (!acl) return undefined
  const ok = await client.call('ACL', 'LIST').then(
    () => true,
    () => false,
  )
  return {
    name: 'users',
    ok,
    required: true,
    detail: ok ? 'may be read' : 'the user of the source may not read the users',
    next: 'allow it: ACL SETUSER <user> +acl|list; or set acl to false and keep the users elsewhere',
  }
}
