/** A cluster that archives through pgBackRest to S3, as a member of a set; and what somebody provides for it after a loss: an empty place. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { OpenSample, SampleSource } from '../../scripts/sources/sample.ts'
import { archiveCommand, createStanza, writePgbackrestConfig } from '../../scripts/toolbox/pgbackrest.ts'
import { freePort } from '../../scripts/toolbox/ports.ts'
import { createCluster, openCluster, OS_USER, POSTGRES_BIN, postgresFolder } from '../../scripts/toolbox/postgres.ts'
import type { S3Server } from '../../scripts/toolbox/s3.ts'
import { callService, pgService } from './pg-service.ts'

const STANZA = 'shop'
const ADDRESS = '127.0.0.1'

/** `keys` holds what is kept outside: the configuration of pgBackRest, with its keys of the store. */
export const lostCluster =
  (s3: S3Server, keys: string, { provided }: { provided: boolean }): OpenSample =>
  async (dir) => {
    const [port, dataDir, socketDir] = [await freePort(), join(dir, 'data'), join(dir, 'socket')]
    const { endpoint, accessKeyId, secretAccessKey, caFile } = s3
    const configFile = await writePgbackrestConfig({
      dir: keys,
      stanza: STANZA,
      pg: { path: dataDir, port, socketDir },
      repo: { type: 's3', bucket: 'wal', endpoint, accessKeyId, secretAccessKey, ...(caFile && { caFile }) },
    })
    // Its own configuration comes back as it was: the new port and folder are given to the start.
    const service = pgService(dataDir, `-c port=${port} -c unix_socket_directories=${socketDir}`)
    if (provided) await postgresFolder(socketDir, 0o755)
    else await fill(dir, port, configFile)
    await callService(provided ? ['true'] : service.start)
    return sampleOf({ dir, port, configFile, service })
  }

/** With rows, and down again. */
async function fill(dir: string, port: number, configFile: string): Promise<void> {
  await mkdir(dir, { recursive: true })
  const settings = { archive_mode: 'on', archive_command: archiveCommand(configFile, STANZA), archive_timeout: '3600' }
  const cluster = await createCluster({ dir, port, settings })
  await createStanza(configFile, STANZA)
  await cluster.query(
    `create table orders (id serial primary key, note text); insert into orders (note) select md5(n::text) from generate_series(1, 300) n`,
  )
  await cluster.stop()
}

type Placed = { dir: string; port: number; configFile: string; service: { stop: string[]; start: string[] } }

function sampleOf({ dir, port, configFile, service }: Placed): SampleSource {
  const cluster = openCluster({ dir, address: ADDRESS, port })
  return {
    driver: 'postgres-physical',
    config: {
      connection: '${env:SHOP_DSN}',
      host: 'here',
      binDir: POSTGRES_BIN,
      ...(OS_USER && { osUser: OS_USER }),
      stanza: STANZA,
      pgbackrestConfig: configFile,
      dataDir: cluster.dataDir,
      service,
      barrier: true,
    },
    env: { SHOP_DSN: cluster.connection() },
    contents: async () => JSON.stringify(await cluster.query('select * from orders order by id').catch(() => 'nothing answers')),
    async change() {
      await cluster.query(`insert into orders (note) values ('after the set')`)
      await cluster.query('select pg_switch_wal()')
    },
    destroy: () => callService(service.stop),
    leftovers: async () => [],
    async close() {
      await callService(service.stop)
      await cluster.destroy()
    },
  }
}
