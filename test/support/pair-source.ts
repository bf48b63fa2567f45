/** A pair whose physical and logical sources are served by a real worker in every role: what an outage leaves to work with. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '@temporalio/client'
import { DefaultLogger, Runtime } from '@temporalio/worker'
import { stringify } from 'yaml'
import { createCleanup } from '../../scripts/quickstart/stack.ts'
import { createPair, type Pair, type PairSite } from '../../scripts/toolbox/pair.ts'
import { createStanza, writePgbackrestConfig } from '../../scripts/toolbox/pgbackrest.ts'
import { findProgram } from '../../scripts/toolbox/find.ts'
import { OS_USER, reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { startTemporal } from '../../scripts/toolbox/temporal.ts'
import { generateSigningKey } from '../../src/catalog/signing.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { connectClient } from '../../src/temporal/connection.ts'
import { registerSearchAttributes } from '../../src/temporal/search-attributes.ts'
import { openServices } from '../../workers/services.ts'
import { parseRoles, type RunningWorker, startWorker } from '../../workers/worker.ts'
import { makeIdentity } from './age.ts'

Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: 'ERROR', forward: {} } } })

export interface PairSource {
  pair: Pair
  config: Config
  services: ReturnType<typeof openServices>
  /** Of the data worker; each host has a folder of its own inside. */
  scratchDir: string
  /** pgBackRest's configuration on the primary of the beginning. */
  configFile: string
  /** Runs a workflow to its end. */
  run<T = unknown>(type: string, input: object): Promise<T>
  /** Runs while a worker serves these roles, instead of all. */
  served<T>(roles: string, act: () => Promise<T>): Promise<T>
  destroy(): Promise<void>
}

export const ALL_ROLES = 'control,data,host:east,host:west'
const STANZA = 'shop'

export async function createPairSource(): Promise<PairSource> {
  const cleanup = createCleanup()
  try {
    // Short: the path of a socket has 107 bytes.
    const dir = await reachableFolder('hfp-')
    const backrest = (site: string) => join(dir, site, 'backrest', 'pgbackrest.conf')
    const program = `${findProgram('pgbackrest')} --config=$PWD/../backrest/pgbackrest.conf --stanza=${STANZA}`
    const archive = { archive_mode: 'on', archive_command: `${program} archive-push %p`, restore_command: `${program} archive-get %f "%p"` }
    const pair = await createPair({ dir, dbname: 'shop', settings: archive })
    cleanup.add(() => pair.destroy())
    const repo = { type: 'posix', path: join(dir, 'repo') } as const
    for (const site of [pair.primary, pair.standby])
      await writePgbackrestConfig({
        dir: join(site.dir, 'backrest'),
        stanza: STANZA,
        pg: { path: site.config.dataDir, port: pair.port, socketDir: join(site.dir, 'socket') },
        repo,
      })
    await createStanza(backrest('east'), STANZA)
    await pair.primary.query(
      'create table kept (id bigserial primary key, note text); insert into kept (note) select md5(n::text) from generate_series(1, 500) n',
    )
    const temporal = await startTemporal()
    cleanup.add(() => temporal.stop())
    const scratchDir = join(dir, 's')
    for (const folder of [scratchDir, join(scratchDir, 'east'), join(scratchDir, 'west')]) {
      await mkdir(folder)
      await chmod(folder, 0o755)
    }
    await mkdir(join(dir, 'hot'))
    const configFile = await writeConfig({ dir, pair, scratchDir, address: temporal.address, backrest })
    const config = await loadConfig(configFile)
    const client = await connectClient(config.temporal)
    cleanup.add(() => client.connection.close())
    await registerSearchAttributes(client)
    const services = openServices(config)
    cleanup.add(() => services.close())
    return {
      pair,
      config,
      services,
      scratchDir,
      configFile: backrest('east'),
      run: (type, input) => runWorkflow(client, type, input),
      async served(roles, act) {
        const workers: RunningWorker[] = []
        try {
          for (const role of roles.split(',')) workers.push(await startWorker(onOwnDisk(config, role), parseRoles(role)))
          return await act()
        } finally {
          await Promise.all(workers.map((worker) => worker.stop()))
        }
      },
      destroy: cleanup.end,
    }
  } catch (error) {
    await cleanup.end()
    throw error
  }
}

/** What one host has in its scratch folder no other can see. */
function onOwnDisk(config: Config, role: string): Config {
  const host = role.split(':')[1]
  if (host === undefined) return config
  const own = Object.entries(config.sources).map(([name, source]) => [name, { ...source, scratchDir: join(source.scratchDir ?? '', host) }])
  return { ...config, sources: Object.fromEntries(own) }
}

let runs = 0
async function runWorkflow<T>(client: Client, type: string, input: object): Promise<T> {
  const handle = await client.workflow.start(type, { taskQueue: 'holdfast', workflowId: `${type}-${++runs}`, args: [input] })
  return (await handle.result()) as T
}

interface ConfigParts {
  dir: string
  pair: Pair
  scratchDir: string
  address: string
  backrest(site: string): string
}

async function writeConfig({ dir, pair, scratchDir, address, backrest }: ConfigParts): Promise<string> {
  const identity = await makeIdentity(dir)
  const signing = generateSigningKey()
  const privateKeyFile = join(dir, 'signing.pem')
  await writeFile(privateKeyFile, signing.privateKeyPem, { mode: 0o600 })
  const common = {
    group: 'shop',
    repository: 'hot',
    scratchDir,
    connection: pair.primary.connection(),
    ...(OS_USER && { osUser: OS_USER }),
  }
  const site = ({ name, config }: PairSite) => ({ ...config, pgbackrestConfig: backrest(name) })
  const file = join(dir, 'holdfast.yaml')
  await writeFile(
    file,
    stringify({
      temporal: { address },
      repositories: { hot: { type: 'folder', path: join(dir, 'hot') } },
      encryption: { recipients: [identity.recipient], identityFile: identity.file },
      signing: { keyId: 'test', privateKeyFile, publicKeys: { test: signing.publicKey } },
      sources: {
        shop: { driver: 'postgres-physical', ...common, host: 'east', stanza: STANZA, pgbackrestConfig: backrest('east') },
        dumps: { driver: 'postgres-logical', ...common },
      },
      failoverGroups: {
        shop: {
          database: pair.database,
          source: 'shop',
          primary: 'east',
          sites: { east: site(pair.primary), west: site(pair.standby) },
          fence: [{ type: 'stop-instance' }],
        },
      },
    }),
  )
  return file
}
