/** Looking at a cluster before a physical backup: nothing is changed, each finding says what to do. */
import type { PhysicalSourceConfig } from './config.ts'
import type { Finding, Preflight } from '../driver.ts'
import { type Client, withClient } from '../postgres-common/connect.ts'
import { explainArchive, readArchiveHealth } from './archive-health.ts'
import type { EngineInfo, PhysicalEngine } from './engine.ts'

type Found = Finding & { required: boolean }

export async function preflightPhysical(config: PhysicalSourceConfig, connection: string, engine: PhysicalEngine): Promise<Preflight> {
  const [version, info] = await Promise.all([engine.version(), engine.info()])
  return withClient(connection, {}, async (client) => {
    const server = await describeServer(client)
    const command = `pgbackrest --config=${config.pgbackrestConfig} --stanza=${config.stanza} archive-push %p`
    const rpoSeconds = config.objectives ? seconds(config.objectives.rpo) : undefined
    const findings: Found[] = [
      ...explainArchive(await readArchiveHealth(client), { command, ...(rpoSeconds === undefined ? {} : { rpoSeconds }) }),
      stanzaFinding(info, server.systemId, config.stanza),
      checksumFinding(server.checksums),
      ...(await rightsFindings(client, config.barrier)),
    ]
    return {
      versions: { postgresql: server.version, [engine.kind]: version, ...(await contentVersions(client)) },
      estimateBytes: server.bytes,
      findings,
    }
  })
}

interface Server {
  version: string
  systemId: string
  checksums: boolean
  bytes: number
}

async function describeServer(client: Client): Promise<Server> {
  const { rows } = await client.query<{ version: string; systemId: string; checksums: boolean; bytes: string }>(`
    select current_setting('server_version') as version, current_setting('data_checksums')::bool as checksums,
      (select system_identifier::text from pg_control_system()) as "systemId", (select sum(pg_database_size(oid))::text from pg_database) as bytes`)
  const row = rows[0] as (typeof rows)[number]
  return { ...row, bytes: Number(row.bytes) }
}

/** A stanza of another cluster would take this one's WAL for a stranger's. */
function stanzaFinding(info: EngineInfo, systemId: string, stanza: string): Found {
  const base = { name: 'stanza', required: true }
  if (!info.exists)
    return {
      ...base,
      ok: false,
      detail: `the stanza ${stanza} does not exist`,
      next: `run pgbackrest --stanza=${stanza} stanza-create on the host of the database`,
    }
  if (info.systemId !== systemId) {
    return {
      ...base,
      ok: false,
      detail: `the stanza ${stanza} is of database system ${info.systemId}, the source is ${systemId}`,
      next: `give this cluster a stanza of its own, or run pgbackrest --stanza=${stanza} stanza-upgrade after an upgrade`,
    }
  }
  const full = info.backups.filter((backup) => backup.type === 'full').length
  return { ...base, ok: true, detail: `the stanza ${stanza} holds ${info.backups.length} backups, ${full} of them full` }
}

function checksumFinding(on: boolean): Found {
  return on
    ? { name: 'data_checksums', required: false, ok: true, detail: 'data checksums are on' }
    : {
        name: 'data_checksums',
        required: false,
        ok: false,
        detail: 'data checksums are off: a damaged page is copied unseen',
        next: 'stop the cluster and run pg_checksums --enable',
      }
}

/** Without the end of the segment a backup is no point; without the others its proof says less. */
async function rightsFindings(client: Client, barrier: boolean): Promise<Found[]> {
  const functions = ['pg_create_restore_point(text)', 'pg_switch_wal()', ...(barrier ? ['pg_export_snapshot()'] : [])]
  const { rows } = await client.query<{ name: string; may: boolean }>(
    `select name, has_function_privilege('pg_catalog.' || name, 'execute') as may from unnest($1::text[]) as name`,
    [functions],
  )
  const { rows: role } = await client.query<{ role: string }>('select current_user as role')
  return rows.map(({ name, may }) => ({
    name: `right to ${name}`,
    required: name === 'pg_switch_wal()',
    ok: may,
    detail: may ? `${name} may be called` : `the role ${role[0]?.role} may not call ${name}`,
    ...(may ? {} : { next: `grant execute on function ${name} to ${role[0]?.role}` }),
  }))
}

/** What decides the order of text in indexes: restored on a system with others, they are silently wrong. */
async function contentVersions(client: Client): Promise<Record<string, string>> {
  const { rows } = await client.query<{ name: string; version: string }>(`
    select 'extension ' || extname as name, extversion as version from pg_extension
    union all select 'collation ' || datcollate, coalesce(datcollversion, 'none') from pg_database where datname = current_database()
    union all select distinct 'collation provider ' || collprovider::text, max(collversion) from pg_collation where collversion is not null group by collprovider`)
  return Object.fromEntries(rows.map(({ name, version }) => [name, version]))
}

function seconds(duration: string): number {
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[duration.at(-1) as 's' | 'm' | 'h' | 'd']
  return Number(duration.slice(0, -1)) * unit
}
