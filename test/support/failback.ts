/** A pair to fail over and back: sides by role, a standby that is held back, workers killed in the middle of a rewind. */
import { spawn } from 'node:child_process'
import { appendFile, chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createPair, type Pair, type PairSite } from '../../scripts/toolbox/pair.ts'
import { POSTGRES_BIN, settingsLines } from '../../scripts/toolbox/postgres.ts'
import { fence } from '../../src/failover/database/fence.ts'
import { promote } from '../../src/failover/database/promote.ts'
import { readPidFile } from '../../src/failover/database/shared-memory.ts'
import type { RewindRequest } from '../../src/failover/database/rewind.ts'
import type { Site } from '../../src/failover/database/site.ts'
import { until } from '../../src/process/wait.ts'
import { siteOf } from './sites.ts'

export interface Side {
  place: PairSite
  site: Site
}

export const sideOf = (pair: Pair, place: PairSite): Side => ({ place, site: siteOf(pair, place) })

/** A pair with an empty table, whose crash only the test ends: no supervisor starts anything in between. */
export async function openSides(): Promise<{ pair: Pair; east: Side; west: Side }> {
  const pair = await createPair({ dbname: 'shop', restartSeconds: 3600 })
  const east = sideOf(pair, pair.primary)
  await east.place.query('create table t (id int primary key)')
  return { pair, east, west: sideOf(pair, pair.standby) }
}

/** Addresses outside of the data directory, as on Debian: a new copy has only what its primary has inside. */
export async function ownSettings({ primary, standby }: Pair): Promise<void> {
  await appendFile(join(primary.config.dataDir, 'postgresql.conf'), "include_if_exists = '../site.conf'\n")
  for (const { dir, name, config } of [primary, standby]) {
    const own = { listen_addresses: config.address, unix_socket_directories: join(dir, 'socket'), cluster_name: name }
    await writeFile(join(dir, 'site.conf'), settingsLines(own))
  }
}

/** The standby receives nothing from now on; what it has it replays. */
export async function holdBack({ place }: Side): Promise<void> {
  await place.query("alter system set primary_conninfo = 'host=127.0.0.9 port=1'")
  await place.query('select pg_reload_conf()')
  await until(async () => (await place.query('select 1 from pg_stat_wal_receiver')).length === 0, {
    timeoutMs: 30_000,
    what: 'the receiver to end',
  })
}

/** Waits until all that the primary has is replayed on the standby. */
export async function catchUp(primary: Side, standby: Side): Promise<void> {
  const end = (await primary.place.query('select pg_current_wal_flush_lsn()::text as lsn'))[0]?.['lsn']
  const there = async () =>
    (await standby.place.query(`select pg_last_wal_replay_lsn() >= '${String(end)}' as there`))[0]?.['there'] === true
  await until(there, { timeoutMs: 60_000, what: 'the standby to replay' })
}

export async function crash({ site }: Side): Promise<void> {
  process.kill((await readPidFile(site))?.pid as number, 'SIGKILL')
}

/** Fences the one and promotes the other, whatever the one still has. */
export async function failOver(from: Side, to: Side, epoch: number): Promise<void> {
  await fence(from.site, { epoch, mode: 'unplanned', timeoutMs: 20_000 })
  await promote(to.site, { epoch, recordNoReturn: async () => {} })
}

/** A folder of the real programs with one replaced by a script. */
export async function binDirWith(folder: string, program: string, script: string): Promise<string> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const name of await readdir(POSTGRES_BIN)) if (name !== program) await symlink(join(POSTGRES_BIN, name), join(folder, name))
  await script_(join(folder, program), script)
  await chmod(folder, 0o755)
  return folder
}

/** A script that does something, says that it has come so far, and waits to be killed. */
export async function hangingScript(path: string, first = ''): Promise<{ path: string; reached: string }> {
  const reached = `${path}.reached`
  await rm(reached, { force: true })
  await writeFile(reached, '')
  await chmod(reached, 0o666)
  await script_(path, `${first}\necho $$ > ${reached}\nexec sleep 600`)
  return { path, reached }
}

async function script_(path: string, text: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${text}\n`)
  await chmod(path, 0o755)
}

const CHILD = fileURLToPath(new URL('./rewind-child.ts', import.meta.url))

/** Rewinds in a process of its own and kills that with SIGKILL once it has come to the script. Gives the script's pid. */
export async function killedAt(request: RewindRequest, reached: string, path = process.env['PATH']): Promise<number> {
  const env = { ...process.env, PATH: path, HOLDFAST_REWIND: JSON.stringify(request) }
  const child = spawn(process.execPath, [CHILD], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  try {
    return await until(
      async () => {
        if (child.exitCode !== null) throw new Error(`the worker ended by itself with ${child.exitCode}: ${said}`)
        return Number(await readFile(reached, 'utf8')) || false
      },
      { timeoutMs: 60_000, what: `the worker to reach ${reached}` },
    )
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

/** The rows of a CSV text, the header first. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]]
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/g)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain ?? '')
    if (end === '\n') rows.push([])
  }
  return rows.slice(0, -1)
}
