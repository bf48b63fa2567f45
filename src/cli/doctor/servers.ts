/** Each PostgreSQL server of a source or a pair, in a session: encryption, clock, version, and what the roles may do. */
import { join } from 'node:path'
import { type Config, type FailoverGroupConfig, isPostgres, type PostgresSourceConfig } from '../../config/schema.ts'
import { resolveSecret } from '../../config/secrets.ts'
import { type Client, formatConnection, parseConnection, withClient } from '../../drivers/postgres-common/connect.ts'
import { connectionOf, type Site } from '../../failover/database/site.ts'
import { slotBound } from '../../failover/database/slots.ts'
import { run } from '../../process/run.ts'
import type { Findings } from './finding.ts'
import { backupGrants, fenceGrants, replicationGrants, verifyGrants } from './grants.ts'
import { tlsOfPostgres } from './tls.ts'

interface Server {
  /** A source, or a group's site. */
  object: string
  connection: string
  binDir: string
  /** pg_dump may be newer than the server; what starts on its files may not. */
  sameVersion: boolean
  /** Where the server takes writes: what the roles may do there. */
  roles(client: Client, findings: Findings): Promise<void>
}

/** A difference that makes a point in time another one than was meant. */
const CLOCK_MS = 1_000

export async function examineServers(config: Config, findings: Findings): Promise<void> {
  await findings.guard('sources', 'connections', async () => {
    for (const [name, source] of Object.entries(config.sources)) {
      if (!isPostgres(source)) continue
      await findings.guard(name, 'connection', async () => {
        for (const server of await serversOfSource(config, name, source)) await examine(server, findings)
      })
    }
  })
  for (const [name, group] of Object.entries(config.failoverGroups)) {
    for (const site of Object.keys(group.sites)) {
      await findings.guard(`${name}/${site}`, 'connection', async () => examine(await serverOfSite(name, group, site), findings))
    }
  }
}

/** Of a pair's source, one on each site. */
async function serversOfSource({ failoverGroups }: Config, name: string, source: PostgresSourceConfig): Promise<Server[]> {
  const words = parseConnection(await resolveSecret(source.connection))
  const [, pair] = Object.entries(failoverGroups).find(([group, { source: of }]) => group === source.group || of === name) ?? []
  const places = pair
    ? Object.values(pair.sites).map(({ address, port }) => ({ host: address, port: String(port), hostaddr: undefined }))
    : [{}]
  const physical = source.driver === 'postgres-physical'
  return places.map((place) => ({
    object: 'host' in place ? `${name} on ${place.host}` : name,
    connection: formatConnection(words, place),
    binDir: source.binDir,
    sameVersion: physical,
    roles: async (client, findings) => {
      const missing = await backupGrants(client, { physical, barrier: source.driver === 'postgres-physical' && source.barrier })
      sayGrants(findings, name, 'backup', missing)
      // A dump is proved on a cluster of its own, where the role is a superuser.
      sayGrants(findings, name, 'verify', physical ? await verifyGrants(client) : [])
    },
  }))
}

async function serverOfSite(groupName: string, group: FailoverGroupConfig, name: string): Promise<Server> {
  const { password, replicationPassword: _, ...database } = group.database
  const config = group.sites[name] as FailoverGroupConfig['sites'][string]
  const site: Site = { ...config, name, database: { ...database, ...(password && { password: await resolveSecret(password) }) } }
  return {
    object: `${groupName}/${name}`,
    connection: connectionOf(site),
    binDir: config.binDir,
    sameVersion: true,
    roles: async (client, findings) => {
      sayGrants(findings, groupName, 'fence', await fenceGrants(client, { canary: database.canary }))
      sayGrants(findings, groupName, 'rewind', await rewindMissing(client, site))
      const { ok, detail, next } = await slotBound(site)
      findings.say(ok, groupName, 'slots', detail, next ?? '')
    },
  }
}

/** Functions are granted per database, and pg_rewind connects to the first of these two that has them all. */
async function rewindMissing(client: Client, site: Site): Promise<string[]> {
  const { replicationUser } = site.database
  const missing = await replicationGrants(client, replicationUser)
  if (missing.length === 0) return []
  const elsewhere = await withClient(connectionOf(site, { dbname: 'postgres' }), {}, (other) => replicationGrants(other, replicationUser))
  return elsewhere.length === 0 ? [] : missing
}

async function examine(server: Server, findings: Findings): Promise<void> {
  const { object, connection } = server
  await withClient(connection, {}, async (client) => {
    const sent = Date.now()
    const { rows } = await client.query<{ standby: boolean; now: number; encrypted: boolean; version: number }>(
      `select pg_is_in_recovery() as standby, extract(epoch from clock_timestamp())::float8 as now, current_setting('server_version_num')::int as version,
         coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as encrypted`,
    )
    const answered = Date.now()
    const { standby, now, encrypted, version } = rows[0] as (typeof rows)[number]
    const clock = clockOffset({ server: now * 1000, sent, answered })
    findings.say(
      clock.ok,
      object,
      'clock',
      clock.detail,
      'synchronise both clocks (chronyd or systemd-timesyncd): points in time are told by them',
    )
    const { host = 'localhost', sslmode = process.env['PGSSLMODE'] ?? 'prefer' } = parseConnection(connection)
    const { detail, next } = tlsOfPostgres({ host, sslmode, encrypted })
    findings.say(!next, object, 'TLS', detail, next ?? '')
    await findings.guard(object, 'versions', () => examineVersion(server, Math.floor(version / 10_000), findings))
    if (!standby) await server.roles(client, findings)
  })
}

/** The server answered somewhere between; only what that cannot explain is an offset. */
export function clockOffset({ server, sent, answered }: { server: number; sent: number; answered: number }): {
  ok: boolean
  detail: string
} {
  const offset = server - (sent + answered) / 2
  const doubt = (answered - sent) / 2
  const detail = `${Math.abs(offset / 1000).toFixed(2)} s ${offset < 0 ? 'behind' : 'before'} this machine, give or take ${(doubt / 1000).toFixed(2)} s`
  return { ok: Math.abs(offset) - doubt <= CLOCK_MS, detail }
}

async function examineVersion({ object, binDir, sameVersion }: Server, server: number, findings: Findings): Promise<void> {
  const program = join(binDir, sameVersion ? 'postgres' : 'pg_dump')
  const own = Number.parseInt(/(\d+)/.exec((await run({ program, args: ['--version'] })).stdout.replace(/^\S+ /, ''))?.[1] ?? '0', 10)
  const fits = sameVersion ? own === server : own >= server
  findings.say(
    fits,
    object,
    'versions',
    `the server is ${server}, ${program} is ${own}`,
    `install the programs of PostgreSQL ${server} and set binDir to their folder`,
  )
}

function sayGrants(findings: Findings, object: string, role: string, missing: string[]): void {
  const well = missing.length === 0
  findings.say(well, object, `grants: ${role}`, well ? 'nothing is missing' : `${missing.length} are missing`, missing.join('\n'))
}
