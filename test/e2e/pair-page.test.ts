/** docs/pair.md, tried as far as one machine goes: each block is given to the program that it is for. */
import { readFileSync } from 'node:fs'
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { flagsOf } from '../../scripts/node-flags.mjs'
import { findProgram } from '../../scripts/toolbox/find.ts'
import { type Cluster, createCluster, OS_USER, postgresFolder, reachableFolder } from '../../scripts/toolbox/postgres.ts'
import { backupGrants, fenceGrants, replicationGrants, verifyGrants } from '../../src/cli/doctor/grants.ts'
import { parseConfig } from '../../src/config/load.ts'
import { VERSION } from '../../src/core/version.ts'
import { type Client, formatConnection, parseConnection, withClient } from '../../src/drivers/postgres-common/connect.ts'
import { archiveHealth, explainArchive } from '../../src/drivers/postgres-physical/archive-health.ts'
import { run } from '../../src/process/run.ts'

const PAGE = readFileSync(new URL('../../docs/pair.md', import.meta.url), 'utf8')

/** The fenced block of a language that has the words. */
function block(language: string, words: string): string {
  const found = [...PAGE.matchAll(/^```(\w*)\n(.*?)^```$/gms)].find(([, as, text]) => as === language && text?.includes(words))
  if (!found?.[2]) throw new Error(`docs/pair.md has no ${language} block with "${words}"`)
  return found[2]
}

let cluster: Cluster
let dir: string

beforeAll(async () => {
  dir = await reachableFolder('holdfast-page-')
  cluster = await createCluster({ dbname: 'shop' })
  await cluster.query('create table orders (id int primary key)', 'shop')
  await cluster.query(block('sql', 'create role repl'), 'shop')
})
afterAll(async () => {
  await cluster?.destroy()
  await rm(dir, { recursive: true, force: true })
})

const as = <T>(role: string, use: (client: Client) => Promise<T>) =>
  withClient(formatConnection(parseConnection(cluster.connection('shop')), { user: role }), {}, use)

test('the roles have what doctor asks of them, and the slot is there', async () => {
  const physical = { physical: true, barrier: false }
  expect(
    await as('holdfast_backup', async (client) => [...(await backupGrants(client, physical)), ...(await verifyGrants(client))]),
  ).toEqual([])
  expect(await as('holdfast_pair', (client) => fenceGrants(client, { canary: true }))).toEqual([])
  expect(await as('holdfast_pair', (client) => replicationGrants(client, 'repl'))).toEqual([])
  expect(await cluster.query('select slot_name from pg_replication_slots', 'shop')).toEqual([{ slot_name: 'holdfast_west' }])
})

test('holdfast.yaml is valid, and its slot, stanza and roles are those of the other steps', () => {
  const config = parseConfig(block('yaml', 'failoverGroups'), 'docs/pair.md')
  const group = config.failoverGroups['shop']
  expect(group?.database).toMatchObject({ user: 'holdfast_pair', replicationUser: 'repl', slot: 'holdfast_west' })
  expect(block('ini', 'archive_command')).toContain(`--stanza=${(config.sources['shop'] as { stanza: string }).stanza} `)
  expect(block('sh', 'pg_basebackup')).toContain(`-S ${group?.database.slot}`)
})

test('the command runs without the environment of a shell, reads its file, and is what the unit starts', async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
  const text = block('sh', 'cat >/usr/local/bin/holdfast')
    .replaceAll('/usr/local/bin', dir)
    .replaceAll('/etc/holdfast', dir)
    .replaceAll('/opt/holdfast', root)
  await run({ program: 'sh', args: ['-ec', text] })
  const command = (...args: string[]) =>
    run({ program: 'env', args: ['-i', 'PATH=/usr/bin:/bin', join(dir, 'holdfast'), ...args], cwd: '/' }, { accept: [0, 2] })
  expect((await command('--version')).stdout.trim()).toBe(VERSION)
  expect((await command('list')).stderr).toContain(join(dir, 'holdfast.yaml'))
  await writeFile(join(dir, 'environment'), 'HOLDFAST_CONFIG=/nowhere.yaml\n')
  expect((await command('list')).stderr).toContain('/nowhere.yaml')
  expect(text).toContain(` ${flagsOf(join(root, 'workers/holdfast.ts')).join(' ')} ${root}/workers/holdfast.ts "$@"`)
  expect(block('ini', 'ExecStart')).toContain('ExecStart=/usr/local/bin/holdfast worker --roles host:east\n')
})

test('PostgreSQL starts with the settings, and its archive is found as it should be', async () => {
  const conf = join(cluster.dataDir, 'postgresql.conf')
  const before = await readFile(conf)
  await appendFile(conf, block('ini', 'archive_command').replace("listen_addresses = '*'", ''))
  await cluster.stop()
  await cluster.start()
  const findings = explainArchive(await archiveHealth(cluster.connection('shop')), { command: 'unused', rpoSeconds: 300 })
  await writeFile(conf, before)
  const ofSettings = findings.filter(({ name }) => ['wal_level', 'archive_mode', 'archive_command', 'archive_timeout'].includes(name))
  expect(ofSettings.map(({ ok }) => ok)).toEqual([true, true, true, true])
})

test('pgBackRest knows every option of its configuration', async () => {
  const file = join(dir, 'pgbackrest.conf')
  const folder = await postgresFolder(join(dir, 'log'))
  // Its store is not asked: what is unknown is told of before.
  const local = block('ini', '[shop]')
    .replace(/^(repo1-s3-endpoint)=.*$/m, `$1=127.0.0.1`)
    .replace('[global]', `[global]\nio-timeout=1\nlog-path=${folder}\nlock-path=${folder}`)
  await writeFile(file, local)
  const info = { program: findProgram('pgbackrest'), args: [`--config=${file}`, '--stanza=shop', 'info'], cwd: '/', user: OS_USER }
  const { stdout, stderr } = await run(info)
  expect(`${stdout}${stderr}`).toContain('HostConnectError')
  expect(`${stdout}${stderr}`).not.toMatch(/WARN/)
})
