import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Cluster, createCluster, postgresCommand } from '../../scripts/toolbox/postgres.ts'
import { completeConfiguration, PORT, startCommands } from '../../src/cli/offline-start.ts'
import { makeFolder, postgresUser } from '../../src/drivers/postgres-common/folder.ts'
import { writeSettings } from '../../src/drivers/postgres-physical/quarantine.ts'
import { run } from '../../src/process/run.ts'

let cluster: Cluster
const path = process.env['PATH']
beforeAll(async () => {
  cluster = await createCluster({ settings: { max_connections: '123' } })
  await cluster.stop()
  // As on Debian: pg_ctl is not on PATH, and the configuration is not in the data directory.
  process.env['PATH'] = '/usr/sbin:/usr/bin:/sbin:/bin'
  for (const file of ['postgresql.conf', 'pg_hba.conf', 'pg_ident.conf']) await rm(join(cluster.dataDir, file))
})
afterAll(async () => {
  process.env['PATH'] = path
  await cluster?.destroy()
})

it('a cluster whose configuration stayed on the source starts by the command that is printed, and is reached by the next one', async () => {
  const { dataDir } = cluster
  const into = join(cluster.dir, 'restored')
  const user = postgresUser(undefined)
  const follow = await completeConfiguration({ dataDir, user })
  expect(follow).toMatchObject({ max_connections: '123' })
  for (const folder of [into, join(into, 'socket')]) await makeFolder(folder)
  await writeSettings(dataDir, { ...follow, unix_socket_directories: join(into, 'socket'), listen_addresses: '', port: PORT }, undefined)
  const [start = '', connect = ''] = (await startCommands({ dataDir, into, user })).filter((line) => !line.startsWith('#'))
  expect(start).toContain('/usr/lib/postgresql/15/bin/pg_ctl -D')
  try {
    await run({ program: 'bash', args: ['-c', start], cwd: '/' })
    const { stdout } = await run({ program: 'bash', args: ['-c', `${connect} -At -c 'show max_connections'`], cwd: '/' })
    expect(stdout.trim()).toBe('123')
  } finally {
    await run(postgresCommand('pg_ctl', ['-D', dataDir, '-m', 'immediate', '-w', 'stop']), { accept: [0, 1] })
  }
})

it('a configuration that came with the data directory stays as it is', async () => {
  const { dataDir } = cluster
  const file = join(dataDir, 'pg_hba.conf')
  await writeFile(file, 'local all ana peer\n')
  expect(await completeConfiguration({ dataDir, user: postgresUser(undefined) })).toEqual({})
  expect(await readFile(file, 'utf8')).toBe('local all ana peer\n')
})
