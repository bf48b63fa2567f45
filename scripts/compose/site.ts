/**
 * One site of the sample pair: PostgreSQL under the project's supervisor, and the worker that acts on this host. The
 * first start makes the primary, or clones the standby. `SITE=east PEER=west node scripts/compose/site.ts`
 */
import { existsSync } from 'node:fs'
import { appendFile, chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Daemon, startDaemon } from '../../src/process/daemon.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import { archiveCommand, createStanza, writePgbackrestConfig } from '../toolbox/pgbackrest.ts'
import { replicationRole } from '../toolbox/pair.ts'
import { createCluster, POSTGRES_BIN, postgresCommand, postgresFolder, settingsLines } from '../toolbox/postgres.ts'
import { ask } from '../toolbox/supervisor-client.ts'
import { BUCKET, SITE_DIR, SLOT, STANZA } from './sample-config.ts'

const env = (name: string, otherwise: string): string => process.env[name] ?? otherwise
const say = (line: string) => process.stdout.write(`${line}\n`)

const here = {
  site: env('SITE', 'east'),
  peer: env('PEER', 'west'),
  dir: env('SITE_DIR', SITE_DIR),
  keys: env('KEYS', '/keys/made'),
  /** What PostgreSQL listens on: everything in a container, one loopback address where two sites share a machine. */
  listen: env('LISTEN', '*'),
  port: Number(env('PGPORT', '5432')),
  s3: env('S3_ENDPOINT', 'https://s3:7070'),
}
const isPrimary = here.site === env('PRIMARY', 'east')
const own = here.listen === '*' ? '127.0.0.1' : here.listen
const key = (name: string) => readFile(join(here.keys, name), 'utf8')
const backrest = join(here.dir, 'backrest', 'pgbackrest.conf')

async function main(): Promise<number> {
  await mkdir(here.dir, { recursive: true })
  await chmod(here.dir, 0o755)
  await configureBackrest()
  if (!existsSync(join(here.dir, 'site.json'))) await (isPrimary ? makePrimary() : cloneStandby())
  const supervisor = await startHere('supervisor', ['scripts/toolbox/supervisor.ts', 'run', here.dir])
  await until(() => ask(here.dir, 'status').catch(() => false as const), { timeoutMs: 60_000, what: 'the supervisor' })
  // A side that was fenced refuses to start, and stays down until failback: its worker is needed for that.
  say(`${here.site}: ${(await ask(here.dir, 'start')).message}`)
  if (isPrimary) await createStanza(backrest, STANZA).catch((error: Error) => say(`stanza: ${error.message}`))
  const worker =
    env('WORKER', 'yes') === 'yes'
      ? await startHere('worker', [
          'workers/holdfast.ts',
          '--config',
          join(here.keys, 'holdfast.yaml'),
          'worker',
          '--roles',
          `host:${here.site}`,
        ])
      : undefined
  return untilToldOrEnded([worker, supervisor].filter((daemon) => daemon !== undefined))
}

async function configureBackrest(): Promise<void> {
  await writePgbackrestConfig({
    dir: join(here.dir, 'backrest'),
    stanza: STANZA,
    pg: { path: join(here.dir, 'data'), port: here.port, socketDir: join(here.dir, 'socket') },
    repo: {
      type: 's3',
      bucket: BUCKET,
      endpoint: here.s3,
      caFile: join(here.keys, 'tls', 'ca.pem'),
      accessKeyId: await key('s3-access-key'),
      secretAccessKey: await key('s3-secret-key'),
      path: '/pgbackrest',
    },
    cipherPass: await key('pgbackrest-passphrase'),
  })
}

async function makePrimary(): Promise<void> {
  say(`${here.site}: making the primary`)
  await clear()
  const cluster = await createCluster({
    dir: here.dir,
    address: own,
    port: here.port,
    settings: {
      listen_addresses: here.listen,
      cluster_name: here.site,
      fsync: 'on',
      shared_buffers: '128MB',
      archive_mode: 'on',
      archive_timeout: '60',
      password_encryption: 'scram-sha-256',
      archive_command: archiveCommand(backrest, STANZA),
      restore_command: `pgbackrest --config=${backrest} --stanza=${STANZA} archive-get %f "%p"`,
    },
  })
  try {
    const password = await key('pg-password')
    await cluster.query('create database shop')
    await cluster.query(replicationRole(SLOT))
    for (const role of ['postgres', 'repl']) await cluster.query(`alter role ${role} password '${password}'`)
    await appendFile(join(here.dir, 'data', 'pg_hba.conf'), 'host all all all scram-sha-256\nhost replication all all scram-sha-256\n')
  } finally {
    await cluster.stop()
  }
  await finish()
}

async function cloneStandby(): Promise<void> {
  say(`${here.site}: cloning ${here.peer}`)
  const data = join(here.dir, 'data')
  // The primary is stopped once more after it was made: whoever comes then comes again.
  await until(
    () =>
      clone(data).then(
        () => true,
        (error: Error) => void say(error.message),
      ),
    { timeoutMs: 900_000, everyMs: 2_000, what: `a copy of ${here.peer}` },
  )
  const socket = await postgresFolder(join(here.dir, 'socket'), 0o755)
  await appendFile(
    join(data, 'postgresql.conf'),
    settingsLines({
      listen_addresses: here.listen,
      unix_socket_directories: socket,
      cluster_name: here.site,
      archive_command: archiveCommand(backrest, STANZA),
    }),
  )
  await finish()
}

async function clone(data: string): Promise<void> {
  await clear()
  await postgresFolder(data)
  const args = ['-D', data, '-h', here.peer, '-p', String(here.port), '-U', 'repl', '-c', 'fast', '-X', 'stream', '-R', '-S', SLOT]
  await run(postgresCommand('pg_basebackup', args, { PGPASSWORD: await key('pg-password'), PGAPPNAME: here.site }), { timeoutMs: 600_000 })
}

const clear = () => rm(join(here.dir, 'data'), { recursive: true, force: true })

/** Written last: a start that was broken off begins again. */
const finish = () =>
  writeFile(join(here.dir, 'site.json'), JSON.stringify({ dataDir: join(here.dir, 'data'), binDir: POSTGRES_BIN, restartSeconds: 5 }))

function startHere(name: string, args: string[]): Promise<Daemon> {
  const cwd = fileURLToPath(new URL('../..', import.meta.url))
  return startDaemon({ program: process.execPath, args, cwd }, { logFile: env('LOG_FILE', join(here.dir, `${name}.log`)) })
}

async function untilToldOrEnded(daemons: Daemon[]): Promise<number> {
  const told = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
  const why = await Promise.race([
    told,
    ...daemons.map(({ exited, pid }) => exited.then((code) => `process ${pid} ended with ${code ?? 'a signal'}`)),
  ])
  say(`${here.site}: stopping: ${why}`)
  for (const daemon of daemons) await daemon.stop({ graceMs: 30_000 })
  return why.startsWith('SIG') ? 0 : 1
}

process.exitCode = await main()
