/** What the containers of docker-compose.yml run, run here without containers: keys, S3, both sites, the worker's health. */
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeKeys } from '../../scripts/compose/keys.ts'
import { freePortOn } from '../../scripts/toolbox/ports.ts'
import { reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { type S3Server, startS3 } from '../../scripts/toolbox/s3.ts'
import { parseConfig } from '../../src/config/load.ts'
import { type Daemon, startDaemon } from '../../src/process/daemon.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'

const SITE = fileURLToPath(new URL('../../scripts/compose/site.ts', import.meta.url))
const addresses = { east: '127.0.0.2', west: '127.0.0.3' }

let dir: string
let keys: string
let port: number
let s3: S3Server
const started: Daemon[] = []

beforeAll(async () => {
  dir = await reachableFolder('holdfast-compose-')
  await mkdir(join(dir, 'keys'), { mode: 0o711 })
  keys = await makeKeys(join(dir, 'keys'))
  port = await freePortOn(Object.values(addresses))
  const secret = (name: string) => readFile(join(keys, name), 'utf8')
  s3 = await startS3({
    dir: join(dir, 's3'),
    credentials: { accessKeyId: await secret('s3-access-key'), secretAccessKey: await secret('s3-secret-key') },
  })
  await s3.createBucket('backups')
  // The server's own authority in place of the one that the container gets from the keys.
  await run({ program: 'cp', args: [s3.caFile ?? '', join(keys, 'tls', 'ca.pem')] })
})
afterAll(async () => {
  for (const site of started) await site.stop({ graceMs: 60_000 })
  await s3?.stop()
  await rm(dir, { recursive: true, force: true, maxRetries: 5 })
})

async function startSite(site: 'east' | 'west'): Promise<Daemon> {
  const peer = site === 'east' ? addresses.west : addresses.east
  const env = {
    SITE: site,
    PEER: peer,
    LISTEN: addresses[site],
    PGPORT: String(port),
    SITE_DIR: join(dir, site),
    KEYS: keys,
    WORKER: 'no',
    S3_ENDPOINT: s3.endpoint.replace('127.0.0.1', 'localhost'),
  }
  const daemon = await startDaemon({ program: process.execPath, args: [SITE], env }, { logFile: join(dir, `${site}.out`) })
  started.push(daemon)
  return daemon
}
async function ask(site: 'east' | 'west', sql: string, database = 'shop'): Promise<unknown[][]> {
  const password = await readFile(join(keys, 'pg-password'), 'utf8')
  const client = new pg.Client({ host: addresses[site], port, user: 'postgres', password, database, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query({ text: sql, rowMode: 'array' })).rows
  } finally {
    await client.end().catch(() => {})
  }
}
const answer = (site: 'east' | 'west', sql: string, wanted: unknown) =>
  until(async () => (await ask(site, sql).catch(() => [[]]))[0]?.[0] === wanted, {
    timeoutMs: 90_000,
    what: `${site}: ${sql}`,
    everyMs: 250,
  })

test('keys are made once, whole, readable by nobody else, and the configuration is valid', async () => {
  const config = parseConfig(await readFile(join(keys, 'holdfast.yaml'), 'utf8'), 'holdfast.yaml')
  expect(Object.keys(config.failoverGroups.shop?.sites ?? {})).toEqual(['east', 'west'])
  for (const name of ['signing.pem', 'identity.txt', 'pg-password', 's3-secret-key', 'connection', 'pgbackrest-passphrase', 'tls/ca.key']) {
    expect((await stat(join(keys, name))).mode & 0o077, name).toBe(0)
  }
  const text = await readFile(join(keys, 'holdfast.yaml'), 'utf8')
  for (const name of ['pg-password', 's3-secret-key']) expect(text).not.toContain(await readFile(join(keys, name), 'utf8'))
  const before = await readFile(join(keys, 'identity.txt'), 'utf8')
  await makeKeys(join(dir, 'keys'))
  expect(await readFile(join(keys, 'identity.txt'), 'utf8')).toBe(before)
})

test('the certificate names the S3 service', async () => {
  const other = await mkdtemp(join(tmpdir(), 'holdfast-keys-'))
  const made = await makeKeys(other)
  const { stdout } = await run({
    program: 'openssl',
    args: ['x509', '-in', join(made, 'tls', 'server.pem'), '-noout', '-ext', 'subjectAltName'],
  })
  expect(stdout).toContain('DNS:s3')
  await rm(other, { recursive: true })
})

test('both sites come up: the standby streams, the archive is reached, and a stop and start finds the data again', async () => {
  const [east] = [await startSite('east')]
  await answer('east', 'select pg_is_in_recovery()', false)
  const west = await startSite('west')
  await answer('west', 'select pg_is_in_recovery()', true)
  await answer('east', "select count(*)::int from pg_stat_replication where application_name = 'west' and state = 'streaming'", 1)
  await ask('east', 'create table orders as select generate_series(1, 3) as id')
  await answer('west', 'select count(*)::int from orders', 3)
  await ask('east', 'select pg_switch_wal()')
  await answer('east', 'select archived_count > 0 from pg_stat_archiver', true)
  await expect(ask('east', 'select 1', 'nowhere')).rejects.toThrow()

  await west.stop({ graceMs: 60_000 })
  await east.stop({ graceMs: 60_000 })
  await expect(ask('east', 'select 1')).rejects.toThrow()
  await startSite('east')
  await startSite('west')
  await answer('west', 'select count(*)::int from orders', 3)
  await answer('east', "select count(*)::int from pg_stat_replication where state = 'streaming'", 1)
})
