/** Backups that pgbackrest took by itself become points of a stanza: referenced where they are, proved, built upon, expired. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAdoptActivities } from '../../activities/adopt.ts'
import { createBackupActivities } from '../../activities/backup.ts'
import { createProofActivities, type ProofResult } from '../../activities/proof.ts'
import type { Services } from '../../activities/services.ts'
import { OS_USER } from '../../scripts/toolbox/postgres.ts'
import type { Catalog } from '../../src/catalog/catalog.ts'
import { createPgbackrest } from '../../src/drivers/postgres-physical/pgbackrest.ts'
import { run } from '../../src/process/run.ts'
import type { Ended } from '../../src/contract/messages.ts'
import type { AdoptResult } from '../../workflows/adopt.ts'
import { catalogOn } from '../support/catalog.ts'
import { createPhysicalSource, inCopy, type PhysicalSource, quiet, STANZA } from '../support/physical.ts'
import { endOf, sourceFakes } from '../support/workflows/source.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'

let stage: Stage
let source: PhysicalSource
let catalog: Catalog
let serial = 0

beforeAll(async () => {
  stage = await openStage()
  source = await createPhysicalSource({ cipherPass: 'a passphrase' })
  catalog = catalogOn(source.store)
  await source.cluster.query(
    'create table orders (id serial primary key, note text); insert into orders (note) select md5(n::text) from generate_series(1, 1000) n',
  )
  await bareBackup('full')
  await source.cluster.query(`insert into orders (note) values ('after the full one')`)
  await bareBackup('incr')
})
afterAll(async () => {
  await source?.destroy()
  await stage?.close()
})

/** With nothing of Holdfast: no annotation, no mark. */
async function bareBackup(type: 'full' | 'incr'): Promise<void> {
  const args = [`--config=${source.configFile}`, `--stanza=${STANZA}`, `--type=${type}`, '--repo1-retention-full=9', 'backup']
  await run({ program: 'pgbackrest', args, cwd: '/', user: OS_USER })
}
const engine = () => createPgbackrest({ configFile: source.configFile, stanza: STANZA })
const labels = async () => (await engine().info()).backups.map(({ label }) => label)

async function play<T>(type: string, input: object): Promise<T> {
  const services = {
    config: {
      encryption: { recipients: [source.identity.recipient], identityFile: source.identity.file },
      sources: { orders: { ...source.config, verify: { assertions: [] } } },
      repositories: { hot: {} },
      failoverGroups: {},
    },
    store: async () => source.store,
    catalog: async () => catalog,
    driver: async () => source.driver,
    repositoryDriver: async () => source.driver,
    limits: () => ({}),
    scratchRoot: () => source.root,
  } as unknown as Services
  const fakes = {
    ...sourceFakes(),
    ...createBackupActivities(services),
    ...createAdoptActivities(services),
    ...createProofActivities(services),
    resolveSource: async () => ({ driver: 'postgres-physical' }),
    windowOf: async () => ({}),
  }
  return stage.play(fakes as never, async () => {
    const workflowId = `${type}-${++serial}`
    const started = await stage.client.workflow.start(type, { taskQueue: 'holdfast', workflowId, args: [{ source: 'orders', ...input }] })
    return (await started.result().catch(() => endOf(started.result()))) as T
  })
}
const adopt = (more: object = {}) => play<AdoptResult & Ended>('adopt', { requestedBy: 'ana', ...more })
const manifestOf = async (id = '') => (await catalog.readManifest('orders', id)).manifest

test('a dry run lists them and makes none', async () => {
  const found = await adopt({ dryRun: true })
  expect(found.adopted.map(({ kind, from }) => [kind, from])).toEqual([
    ['full', expect.stringMatching(/^stanza orders, \d{8}-\d{6}F$/)],
    ['incremental', expect.stringMatching(/^stanza orders, \d{8}-\d{6}F_\d{8}-\d{6}I$/)],
  ])
  expect(await catalog.listPoints('orders')).toEqual([])
})

test('each becomes a point of its own time that references it, the increment needs the full one; nothing is copied', async () => {
  const before = await labels()
  const { adopted } = await adopt({ from: [STANZA] })
  const [full, incremental] = await Promise.all(adopted.map(({ id }) => manifestOf(id)))
  const { backups } = await engine().info()
  expect(full).toMatchObject({ kind: 'full', createdAt: backups[0]?.startedAt, completedAt: backups[0]?.stoppedAt, tags: ['adopted'] })
  expect(full?.reference).toMatchObject({ label: before[0], walStart: backups[0]?.walStart, walStop: backups[0]?.walStop, needs: [] })
  expect(incremental).toMatchObject({ kind: 'incremental', parents: [full?.id], reference: { label: before[1], needs: [before[0]] } })
  // The passphrase is all that is stored: without it nobody reads the stanza.
  expect(full?.artifacts.map(({ part }) => part)).toEqual(['passphrase'])
  expect(full?.warnings.join()).toMatch(/compares no contents/)
  expect(await labels()).toEqual(before)
})

test('a second time there is nothing to adopt', async () => {
  expect(await adopt()).toMatchObject({ outcome: 'success', adopted: [], already: 2 })
  expect(await catalog.listPoints('orders')).toHaveLength(2)
})

test('they are proved by a restore that says what it could not compare, and hold what there was', async () => {
  const [full, incremental] = await catalog.listPoints('orders')
  for (const id of [full?.id, incremental?.id]) {
    const proof = await play<ProofResult>('verifyRestore', { recoveryPoint: id, depth: 'restore' })
    expect(proof).toMatchObject({ ok: true, failures: [] })
  }
  const [proof] = await catalog.proofsOf('orders', incremental?.id ?? '')
  expect(proof?.assertions.map(({ name }) => name)).toContain('canary (no barrier: contents not compared)')
  const rows =
    (id = '') =>
    async () =>
      inCopy(source, await manifestOf(id), {}, (_, ask) => ask('select count(*)::int as rows from orders'))
  expect(await rows(full?.id)()).toEqual([{ rows: 1000 }])
  expect(await rows(incremental?.id)()).toEqual([{ rows: 1001 }])
})

test('the next increment of Holdfast builds on them, and while it does they cannot go', async () => {
  const { id } = await play<{ id: string }>('backup', { kind: 'incremental' })
  const { parents, kind, warnings } = await manifestOf(id)
  expect(kind).toBe('incremental')
  expect(parents).toHaveLength(2)
  expect(warnings).toEqual([])
  await expect(catalog.deletePoint('orders', parents[0] ?? '')).rejects.toMatchObject({ code: 'POINT_PROTECTED' })
  expect(await adopt()).toMatchObject({ adopted: [], already: 3 })
})

test('what Holdfast took for a point that is none is left alone; what builds on it is called broken', async () => {
  const stray = await source.take('20990101_000000_full', 'full')
  await bareBackup('incr')
  const { adopted, left, outcome } = await adopt()
  expect(adopted).toEqual([])
  expect(left.map(({ why, broken }) => [broken, why])).toEqual([
    [true, `it builds on ${stray.reference?.label}, which is and becomes no point`],
    [false, expect.stringMatching(/took it for 20990101_000000_full/)],
  ])
  expect(outcome).toBe('degraded')
})

test('another stanza than that of the source is refused', async () => {
  const found = source.driver.adoption?.find(quiet(), ['users'], new Set())
  await expect(found).rejects.toMatchObject({ code: 'INPUT_INVALID', object: 'users' })
})
