/** A point put in the place of a running cluster, and onto a host that has none; killed, refused, and found again. */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../scripts/toolbox/ports.ts'
import { createCluster, postgresFolder } from '../../scripts/toolbox/postgres.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { LiveRestore } from '../../src/drivers/driver.ts'
import { withClient } from '../../src/drivers/postgres-common/connect.ts'
import { createPostgresPhysical } from '../../src/drivers/postgres-physical/index.ts'
import { placeOf } from '../../src/drivers/postgres-physical/live-place.ts'
import { startServer } from '../../src/drivers/postgres-physical/live-start.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import { createPhysicalSource, type PhysicalSource, quiet } from '../support/physical.ts'
import { callService, pgService } from '../support/pg-service.ts'

let source: PhysicalSource
let manifest: Manifest
let live: LiveRestore
let dataDir: string
let systemId: string
const ID = '20260101_000000_full'
const filling = (choice = {}) => ({ context: quiet(), source: source.artifacts, dir: source.root, choice })
const notes = async () => (await source.cluster.query('select note from orders order by 1')).map(({ note }) => String(note))
const timeline = async () => (await source.cluster.query(`select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as tli`))[0]?.['tli']
const beside = async () =>
  (await readdir(dirname(dataDir))).filter((name) => name.startsWith('data') && !/^data(\.log)?$/.test(name)).sort()
const liveOf = (config: object): LiveRestore =>
  createPostgresPhysical({ ...source.config, ...config }, source.cluster.connection()).live as LiveRestore
const service = () => source.config.service as { stop: string[]; start: string[] }

beforeAll(async () => {
  source = await createPhysicalSource({ live: true })
  dataDir = source.cluster.dataDir
  live = source.driver.live as LiveRestore
  await source.cluster.query(`create table orders (note text primary key); insert into orders values ('before')`)
  manifest = await source.take(ID, 'full')
  systemId = manifest.consistency.systemId ?? ''
}, 120_000)
afterAll(() => source?.destroy())

/** A few rows that the point has not. */
beforeEach(async () => {
  await callService(service().start)
  await source.cluster.query(`insert into orders values ('after') on conflict do nothing`)
})
afterEach(async () => {
  for (const name of await beside()) await rm(join(dirname(dataDir), name), { recursive: true, force: true })
})

describe('a restore over a live cluster', { timeout: 180_000 }, () => {
  it('is made aside and compared, then takes the place on a timeline of its own that is archived; the old one is kept', async () => {
    const confirm = await live.fingerprint()
    expect(confirm).toBe(`db1:${dataDir}:${systemId}`)
    await live.check(manifest, confirm)
    const { oid } = await live.restoreAside(quiet(), manifest, source.artifacts)
    expect(await notes()).toEqual(['after', 'before'])
    const before = await timeline()
    const done = await live.swap(manifest, confirm, oid, filling())
    expect(await notes()).toEqual(['before'])
    expect(done.warnings).toBeUndefined()
    expect(done.keptAs).toBe(`${dataDir}.before-${ID}`)
    expect(done.notes?.join()).toContain(`rm -r ${done.keptAs}`)
    const now = await timeline()
    expect(Number.parseInt(String(now), 16)).toBeGreaterThan(Number.parseInt(String(before), 16))
    const window = await source.driver.window()
    expect(window.windows.map((one) => one.timeline)).toContain(Number.parseInt(String(now), 16))
    expect(await readFile(join(dataDir, 'postgresql.auto.conf'), 'utf8')).not.toMatch(/recovery|restore_command/)
    expect((await stat(dataDir)).mode & 0o077).toBe(0)

    expect(await live.swap(manifest, confirm, oid, filling())).toMatchObject({ keptAs: done.keptAs })
    await live.removeAside(manifest)
    expect(await beside()).toEqual([basename(done.keptAs ?? '')])
  })

  it('goes on to the end of the archive where that is asked for, and so does the next one from there', async () => {
    await source.cluster.query(`insert into orders values ('later') on conflict do nothing`)
    await source.driver.switchWal()
    const choice = { to: 'latest' }
    const confirm = await live.fingerprint()
    await live.check(manifest, confirm, choice)
    const { oid } = await live.restoreAside(quiet(), manifest, source.artifacts, { dir: source.root, choice })
    const done = await live.swap(manifest, confirm, oid, filling(choice))
    expect(done.warnings).toBeUndefined()
    expect(await notes()).toEqual(['after', 'before', 'later'])
    await source.cluster.query(`insert into orders values ('last')`)
    await source.driver.switchWal()
    const again = await live.restoreAside(quiet(), manifest, source.artifacts, { dir: source.root, choice })
    await live.swap(manifest, confirm, again.oid, filling(choice))
    expect(await notes()).toEqual(['after', 'before', 'last', 'later'])
  })

  it('stops at a time that is asked for', async () => {
    await source.cluster.query(`insert into orders values ('in time') on conflict do nothing`)
    const [row] = await source.cluster.query(`select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`)
    await source.cluster.query(`insert into orders values ('too late')`)
    await source.driver.switchWal()
    const { timeline: now } = (await source.driver.window()).windows.at(-1) ?? { timeline: 0 }
    expect(now).toBe(Number.parseInt(String(await timeline()), 16))
    const choice = { to: String(row?.['now']) }
    const { oid } = await live.restoreAside(quiet(), manifest, source.artifacts, { dir: source.root, choice })
    const done = await live.swap(manifest, await live.fingerprint(), oid, filling(choice))
    expect(done.notes?.join()).toContain(`time ${choice.to}`)
    expect(await notes()).toContain('in time')
    expect(await notes()).not.toContain('too late')
  })

  it('is refused where it is not confirmed, or another cluster is, and the answer shows the command that is right', async () => {
    const fingerprint = await live.fingerprint()
    const refused = {
      code: 'CONFIRM_MISMATCH',
      object: fingerprint,
      next: expect.stringContaining(`holdfast restore orders ${ID} --live --confirm ${fingerprint}`),
    }
    await expect(live.check(manifest, '')).rejects.toMatchObject(refused)
    await expect(live.check(manifest, `db1:${dataDir}:1234567890`)).rejects.toMatchObject(refused)
    const { oid } = await live.restoreAside(quiet(), manifest, source.artifacts)
    await expect(live.swap(manifest, `db1:${dataDir}:absent`, oid, filling())).rejects.toMatchObject(refused)
    expect(await notes()).toEqual(expect.arrayContaining(['after']))
    await live.removeAside(manifest)
    expect(await beside()).toEqual([])
  })

  it('is refused without room, and onto a standby', async () => {
    const fingerprint = await live.fingerprint()
    await expect(live.check({ ...manifest, sizeBytes: 1e17 }, fingerprint)).rejects.toMatchObject({ code: 'SPACE_SHORT' })
    const signal = join(dataDir, 'standby.signal')
    await writeFile(signal, '')
    await expect(live.check(manifest, fingerprint)).rejects.toMatchObject({
      code: 'SOURCE_UNFIT',
      message: expect.stringContaining('standby'),
    })
    await rm(signal)
  })

  it('without a service is refused while the server runs, which is named', async () => {
    const own = liveOf({ service: undefined })
    await expect(own.check(manifest, await own.fingerprint())).rejects.toMatchObject({
      code: 'SOURCE_LOCKED',
      message: expect.stringMatching(/postgres \(pid \d+\) works on/),
    })
    await callService(service().stop)
    await own.check(manifest, await own.fingerprint())
  })

  it('without a service is put in the place of a server that was stopped, and ends its recovery when somebody starts it', async () => {
    const own = liveOf({ service: undefined })
    await callService(service().stop)
    const { oid } = await own.restoreAside(quiet(), manifest, source.artifacts)
    const { warnings, notes: said } = await own.swap(manifest, await own.fingerprint(), oid, filling())
    expect(warnings?.join()).toContain('start it')
    expect(said?.join()).toContain('once it takes writes: rm -r')
    await callService(service().start)
    // A start is over for pg_ctl before the recovery is.
    const recovered = () => notes().catch(() => false as const)
    expect(await until(recovered, { timeoutMs: 60_000, what: 'the recovery to end' })).toEqual(['before'])
  })

  it('whose own login does not work on what was restored says so, and what takes writes by now stays', async () => {
    const blind = createPostgresPhysical(source.config, source.cluster.connection('gone')).live as LiveRestore
    const { oid } = await live.restoreAside(quiet(), manifest, source.artifacts)
    const done = await blind.swap(manifest, await blind.fingerprint(), oid, filling())
    expect(done.warnings?.join()).toContain('database "gone" does not exist')
    expect(await notes()).toEqual(['before'])
    expect(await readFile(join(dataDir, 'postgresql.auto.conf'), 'utf8')).not.toMatch(/recovery|restore_command/)
  })

  it('is not over because a server elsewhere answers, of the same system and promoted', async () => {
    const folder = join(source.root, 'elsewhere')
    const socket = await postgresFolder(join(folder, 'socket'), 0o755)
    await callService(service().stop)
    await run({ program: 'cp', args: ['--archive', dataDir, join(folder, 'data')] })
    const port = await freePort()
    const elsewhere = pgService(join(folder, 'data'), `-p ${port} -k ${socket} -c archive_mode=off`)
    await callService(elsewhere.start)
    try {
      const connection = `host=127.0.0.1 port=${port} user=postgres dbname=postgres`
      const signal = join(dataDir, 'recovery.signal')
      await writeFile(signal, '')
      const down = placeOf({ ...source.config, service: { ...service(), start: ['true'] } }, connection)
      const ended = new AbortController()
      let looks = 0
      const onProgress = () => void (++looks > 3 && ended.abort())
      await expect(startServer(down, systemId, { signal: ended.signal, onProgress })).rejects.toMatchObject({ code: 'CANCELLED' })
      await rm(signal)
      await withClient(connection, {}, (client) => client.query('checkpoint'))
      const up = await startServer(placeOf(source.config, connection), systemId, quiet())
      expect(up).toEqual({ unseen: 'another server answers at its address' })
    } finally {
      await callService(elsewhere.stop)
    }
  })

  it('of contents that are not what was recorded never takes the place', async () => {
    const altered = structuredClone(manifest)
    Object.assign(altered.content?.tables['public.orders'] ?? {}, { rows: 7 })
    await expect(live.restoreAside(quiet(), altered, source.artifacts)).rejects.toMatchObject({ code: 'VERIFY_FAILED' })
    expect(await beside()).toEqual([])
  })

  it('whose new server does not start is undone: the old one is back, and runs', async () => {
    const own = liveOf({
      service: { ...service(), start: ['sh', '-c', `[ -e "$0/recovery.signal" ] || exec "$@"; exit 1`, dataDir, ...service().start] },
    })
    const confirm = await own.fingerprint()
    const { oid } = await own.restoreAside(quiet(), manifest, source.artifacts)
    await expect(own.swap(manifest, confirm, oid, filling())).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
    await own.removeAside(manifest)
    expect(await beside()).toEqual([])
    await source.cluster.query('select 1')
    expect(await notes()).toEqual(expect.arrayContaining(['after']))
  })
})

describe('a swap that was killed', { timeout: 180_000 }, () => {
  let confirm: string
  let oid: string
  const kept = () => `${dataDir}.before-${ID}`
  beforeEach(async () => {
    confirm = await live.fingerprint()
    oid = (await live.restoreAside(quiet(), manifest, source.artifacts)).oid ?? ''
    await callService(service().stop)
    await writeFile(`${dataDir}.restore-under-way`, JSON.stringify({ made: oid, kept: kept() }))
    await rename(dataDir, kept())
  })

  it('between its two renames is ended by the next try', async () => {
    expect(await live.swap(manifest, confirm, oid, filling())).toMatchObject({ keptAs: kept() })
    expect(await notes()).toEqual(['before'])
    expect(await beside()).toEqual([basename(kept())])
  })

  it('after both is found again: the server is started, and nothing else is renamed', async () => {
    await rename(join(dirname(dataDir), oid.split('/')[0] ?? '', 'data'), dataDir)
    expect(await live.swap(manifest, confirm, oid, filling())).toMatchObject({ keptAs: kept() })
    expect(await notes()).toEqual(['before'])
    expect(await beside()).toEqual([basename(kept())])
  })

  it('is undone: the old one is back in its place, and runs', async () => {
    await live.removeAside(manifest)
    expect(await notes()).toEqual(expect.arrayContaining(['after']))
    expect(await beside()).toEqual([])
  })

  it('is refused where somebody made a new cluster meanwhile, and both are still there', async () => {
    await mkdir(dataDir)
    await writeFile(join(dataDir, 'PG_VERSION'), 'new')
    await expect(live.swap(manifest, confirm, oid, filling())).rejects.toMatchObject({
      code: 'STORE_CONFLICT',
      message: expect.stringContaining(kept()),
    })
    expect(await readFile(join(dataDir, 'PG_VERSION'), 'utf8')).toBe('new')
    await rm(dataDir, { recursive: true })
    await live.removeAside(manifest)
    expect(await live.fingerprint()).toBe(confirm)
  })
})

describe('onto a host whose cluster is gone', { timeout: 180_000 }, () => {
  const lose = async (empty: boolean) => {
    await callService(service().stop)
    await rm(dataDir, { recursive: true, force: true })
    if (empty) await mkdir(dataDir)
  }

  it.each([false, true])('it is there again, takes writes and archives (an empty folder: %s)', async (empty) => {
    await source.driver.switchWal()
    await lose(empty)
    const confirm = await live.fingerprint()
    expect(confirm).toBe(`db1:${dataDir}:absent`)
    await live.check(manifest, confirm)
    const { oid } = await live.restoreAside(quiet(), manifest, source.artifacts)
    const done = await live.swap(manifest, confirm, oid, filling())
    expect(done).not.toHaveProperty('keptAs')
    expect(done.warnings).toBeUndefined()
    await source.cluster.query(`insert into orders values ('new')`)
    expect(await notes()).toEqual(['before', 'new'])
    expect(await beside()).toEqual([])
  })

  it('whose archive cannot be read does not begin without what came after', async () => {
    await source.driver.switchWal()
    await lose(false)
    const confirm = await live.fingerprint()
    const choice = { to: 'latest' }
    const { oid } = await live.restoreAside(quiet(), manifest, source.artifacts, { dir: source.root, choice })
    const away = `${source.configFile}.away`
    await rename(source.configFile, away)
    await expect(live.swap(manifest, confirm, oid, filling(choice))).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
    await rename(away, source.configFile)
    const done = await live.swap(manifest, confirm, oid, filling(choice))
    expect(done.warnings).toBeUndefined()
    expect(await notes()).toContain('after')
  })

  it('where a package made a cluster of its own, that one has to be named', async () => {
    await lose(false)
    const other = await createCluster({ start: false })
    await rename(other.dataDir, dataDir)
    try {
      const confirm = await live.fingerprint()
      expect(confirm).not.toContain(systemId)
      await expect(live.check(manifest, `db1:${dataDir}:absent`)).rejects.toMatchObject({ code: 'CONFIRM_MISMATCH', object: confirm })
    } finally {
      await rm(dataDir, { recursive: true })
      await other.destroy()
    }
    const { oid } = await live.restoreAside(quiet(), manifest, source.artifacts)
    await live.swap(manifest, await live.fingerprint(), oid, filling())
  })

  it('where other files stand in its place, nothing is touched', async () => {
    await callService(service().stop)
    await rename(dataDir, `${dataDir}-hidden`)
    await mkdir(dataDir)
    await writeFile(join(dataDir, 'mine'), '')
    try {
      await expect(live.fingerprint()).rejects.toMatchObject({ code: 'SOURCE_UNFIT' })
    } finally {
      await rm(dataDir, { recursive: true })
      await rename(`${dataDir}-hidden`, dataDir)
    }
  })
})
