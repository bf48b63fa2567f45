/** A restore over a real pair: the side that takes writes is replaced, the other one follows it, and none brings back what was. */
import { readdir, rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RestoreReport } from '../../activities/restore.ts'
import { causesOf } from '../../scripts/causes.ts'
import type { PairSite } from '../../scripts/toolbox/pair.ts'
import type { Ended } from '../../src/contract/messages.ts'
import { stopProcessesIn } from '../../src/process/in-folder.ts'
import { until } from '../../src/process/wait.ts'
import { ownSettings } from '../support/failback.ts'
import { ALL_ROLES, createPairSource, type PairSource } from '../support/pair-source.ts'

let source: PairSource
let east: PairSite
let west: PairSite
let point: string
let systemId: string
beforeAll(async () => {
  source = await createPairSource()
  east = source.pair.primary
  west = source.pair.standby
  await ownSettings(source.pair)
  systemId = String((await east.query('select system_identifier::text as id from pg_control_system()'))[0]?.['id'])
  await east.query("create table notes (note text primary key); insert into notes values ('before')")
  point = (await source.served(ALL_ROLES, () => source.run<{ id: string }>('backup', { source: 'shop', kind: 'full' }))).id
}, 240_000)
afterAll(() => source?.destroy())

const restored = (input: object) =>
  source.served(ALL_ROLES, () =>
    source.run<RestoreReport & Ended>('restore', {
      source: 'shop',
      recoveryPoint: point,
      target: 'live',
      safetyBackup: false,
      requestedBy: 'ana',
      ...input,
    }),
  )
const notes = async (site: PairSite) => (await site.query('select note from notes order by 1')).map(({ note }) => String(note))
const follows = (wanted: string[]) =>
  until(async () => (await notes(west).catch(() => [])).join() === wanted.join(), { timeoutMs: 30_000, what: 'the standby to have it' })
const beside = async ({ dir }: PairSite) => (await readdir(dir)).filter((name) => /^data\..*(rewind|rebuild)/.test(name))

it('goes back to the point on both sides, which stream again, and nobody has to be told where the primary is', async () => {
  await east.query("insert into notes values ('after')")
  await follows(['after', 'before'])
  const confirm = `east:${east.config.dataDir}:${systemId}`
  const report = await restored({ confirm })
  expect(report.notes?.join()).toContain('west streams from east again')
  expect(report).toMatchObject({ outcome: 'success', keptAs: `${east.config.dataDir}.before-${point}` })
  expect(await notes(east)).toEqual(['before'])
  await follows(['before'])
  await east.query("insert into notes values ('since')")
  await follows(['before', 'since'])
  expect(await beside(west)).toEqual([])
}, 240_000)

const lose = async (site: PairSite) => {
  await site.supervise('stop')
  await stopProcessesIn(site.config.dataDir)
  await rm(site.config.dataDir, { recursive: true })
}

it('is refused where only the standby is left, which may have what no archive has; and brings both back where both have lost everything', async () => {
  await source.services.driver('shop').then((driver) => driver.switchWal?.())
  await lose(east)
  const refusal = await restored({ to: 'latest', confirm: `east:${east.config.dataDir}:absent` }).catch((error: unknown) => causesOf(error))
  expect(refusal).toContain('west may have what no archive has')
  expect(await notes(west)).toEqual(['before', 'since'])
  await lose(west)
  const report = await restored({ to: 'latest', confirm: `east:${east.config.dataDir}:absent` })
  expect(report.notes?.join()).toContain('west streams from east again, by reclone')
  expect(report.outcome).toBe('success')
  expect(await notes(east)).toEqual(['before', 'since'])
  await follows(['before', 'since'])
}, 240_000)
