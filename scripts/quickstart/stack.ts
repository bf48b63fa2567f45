/** Everything the quickstart stands on, started in order and stopped in reverse, whatever happened in between. */
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client } from '@temporalio/client'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { type Daemon, startDaemon } from '../../src/process/daemon.ts'
import { run } from '../../src/process/run.ts'
import { connectClient } from '../../src/temporal/connection.ts'
import { generateSigningKey } from '../../src/catalog/signing.ts'
import type { OpenSample, SampleSource } from '../sources/sample.ts'
import { type DnsServer, startDns } from '../toolbox/dns.ts'
import { findProgram } from '../toolbox/find.ts'
import { createPair, type Pair } from '../toolbox/pair.ts'
import { createStanza, writePgbackrestConfig } from '../toolbox/pgbackrest.ts'
import { reachableFolder } from '../toolbox/postgres.ts'
import { type S3Server, startS3 } from '../toolbox/s3.ts'
import { startTemporal, type TemporalServer } from '../toolbox/temporal.ts'
import { configText } from './config-text.ts'
import { DATABASE, STANZA, ZONE } from './names.ts'

export interface Stack {
  dir: string
  configFile: string
  config: Config
  client: Client
  temporal: TemporalServer
  s3: S3Server
  dns: DnsServer
  pair: Pair
  samples: Record<string, SampleSource>
  /** Stops what was started here, last first. May be called at any moment, and twice. */
  stop(): Promise<void>
  /** The worker is to run to the end: whoever waits for a run waits for this too. */
  workerEnded: Promise<number | null>
  /** Started later by a step; stopped before everything else. */
  onStop(what: () => Promise<void>): void
}

export type Say = (line: string) => void

/** One end for all: parts that are still starting are awaited and then stopped too. */
export function createCleanup() {
  const todo: (() => Promise<void>)[] = []
  let ending: Promise<void> | undefined
  return {
    add: (what: () => Promise<void>) => void todo.push(what),
    end: () => {
      ending ??= (async () => {
        while (todo.length > 0)
          await todo
            .pop()?.()
            .catch((error: Error) => process.stderr.write(`stop: ${error.message}\n`))
      })()
      return ending
    },
  }
}
export type Cleanup = ReturnType<typeof createCleanup>

export interface StackOptions {
  /** Made up by default; goes with the cleanup. */
  dir?: string
  /** Sources beside the pair: one of every kind that can be installed. */
  samples?: readonly (readonly [name: string, open: () => Promise<OpenSample>])[]
}

export async function startStack(say: Say, cleanup: Cleanup, signal: AbortSignal, options: StackOptions = {}): Promise<Stack> {
  const dir = options.dir ?? (await reachableFolder('holdfast-quickstart-'))
  cleanup.add(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }))
  // Temporary folders of every part lie inside: what is left at the end is seen in one place.
  process.env['TMPDIR'] = join(dir, 'tmp')
  await mkdir(process.env['TMPDIR'])
  await chmod(process.env['TMPDIR'], 0o1777)
  const begin = async <T extends { stop(): Promise<void> } | { destroy(): Promise<void> }>(
    what: string,
    start: () => Promise<T>,
  ): Promise<T> => {
    signal.throwIfAborted()
    say(`starting ${what}`)
    const started = await start()
    cleanup.add(() => ('stop' in started ? started.stop() : started.destroy()))
    return started
  }
  const s3 = await begin('the S3 server', () => startS3({ dir: join(dir, 's3') }))
  await s3.createBucket('backups')
  // The database programs run as another user, who must be able to read the authority.
  const dns = await begin('the name server', () =>
    startDns({ zone: ZONE, records: [{ name: 'db', type: 'A', ttl: 1, value: '127.0.0.2' }] }),
  )
  const pair = await begin('a primary and its standby', () =>
    createPair({
      dir: join(dir, 'pair'),
      dbname: DATABASE,
      settings: {
        fsync: 'on',
        shared_buffers: '128MB',
        max_wal_size: '1GB',
        max_connections: '100',
        archive_mode: 'on',
        archive_timeout: '60',
        archive_command: `${findProgram('pgbackrest')} --config=$PWD/../backrest/pgbackrest.conf --stanza=${STANZA} archive-push %p`,
        restore_command: `${findProgram('pgbackrest')} --config=$PWD/../backrest/pgbackrest.conf --stanza=${STANZA} archive-get %f "%p"`,
      },
    }),
  )
  for (const site of [pair.primary, pair.standby]) {
    await writePgbackrestConfig({
      dir: join(site.dir, 'backrest'),
      stanza: STANZA,
      pg: { path: site.config.dataDir, port: pair.port, socketDir: join(site.dir, 'socket') },
      repo: {
        type: 's3',
        bucket: 'backups',
        endpoint: byName(s3.endpoint),
        caFile: s3.caFile,
        accessKeyId: s3.accessKeyId,
        secretAccessKey: s3.secretAccessKey,
        path: '/pgbackrest',
      },
      cipherPass: 'a passphrase of the quickstart',
      settings: { 'process-max': '2', 'compress-type': 'zst' },
    })
  }
  say('making the stanza')
  await createStanza(join(pair.primary.dir, 'backrest', 'pgbackrest.conf'), STANZA)
  const samples: Record<string, SampleSource> = {}
  for (const [name, open] of options.samples ?? []) {
    const own = join(dir, 'sources', name)
    await mkdir(own, { recursive: true, mode: 0o755 })
    const sample = await begin(`a source of the kind ${name}`, async () => {
      const made = await (await open())(own)
      return { ...made, stop: () => made.close() }
    })
    samples[name] = sample
  }
  const temporal = await begin('Temporal and its UI', () => startTemporal({ ui: true, dbFile: join(dir, 'temporal.db') }))
  const configFile = await writeConfig(dir, { s3, dns, pair, temporal, samples })
  const config = await loadConfig(configFile)
  const client = await connectClient({ address: temporal.address, namespace: temporal.namespace })
  const env = Object.assign({}, ...Object.values(samples).map((sample) => sample.env)) as Record<string, string>
  const worker = await begin('a worker', () => startWorkerProcess(dir, configFile, { env, roles: `${PAIR_ROLES},host:here` }))
  const parts = { dir, configFile, config, client, temporal, s3, dns, pair, samples }
  return { ...parts, stop: cleanup.end, onStop: cleanup.add, workerEnded: worker.exited }
}

/** pgBackRest compares the certificate with names only, never with an address. */
const byName = (endpoint: string) => endpoint.replace('127.0.0.1', 'localhost')

async function writeConfig(dir: string, parts: Pick<Stack, 's3' | 'dns' | 'pair' | 'temporal' | 'samples'>): Promise<string> {
  const keys = join(dir, 'keys')
  await mkdir(keys, { mode: 0o700 })
  const identityFile = join(keys, 'identity.txt')
  await run({ program: findProgram('age-keygen'), args: ['-o', identityFile] })
  const recipient = (await run({ program: findProgram('age-keygen'), args: ['-y', identityFile] })).stdout.trim()
  const signing = generateSigningKey()
  const secret = async (name: string, value: string) => {
    await writeFile(join(keys, name), value, { mode: 0o600 })
    return join(keys, name)
  }
  const text = configText({
    dir,
    recipient,
    identityFile,
    publicKey: signing.publicKey,
    ...parts,
    privateKeyFile: await secret('signing.pem', signing.privateKeyPem),
    accessKeyFile: await secret('s3-access-key', parts.s3.accessKeyId),
    secretKeyFile: await secret('s3-secret-key', parts.s3.secretAccessKey),
    tsigFile: await secret('tsig', parts.dns.key.secret),
    connectionFile: await secret('connection', parts.pair.primary.connection()),
  })
  const scratch = join(dir, 'scratch')
  await mkdir(scratch)
  await chmod(scratch, 0o755)
  const file = join(dir, 'holdfast.yaml')
  await writeFile(file, text)
  return file
}

const PAIR_ROLES = 'control,data,host:east,host:west'

export async function startWorkerProcess(
  dir: string,
  configFile: string,
  { roles = PAIR_ROLES, env = {} }: { roles?: string; env?: Record<string, string> } = {},
): Promise<Daemon> {
  const entry = fileURLToPath(new URL('../../workers/holdfast.ts', import.meta.url))
  return startDaemon(
    { program: process.execPath, args: [entry, 'worker', '--config', configFile, '--roles', roles], env },
    { logFile: join(dir, 'worker.log') },
  )
}
