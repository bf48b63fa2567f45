/** The physical source of the pair: its points reference what the engine keeps, and both have to agree. */
import type { RecoveryReport } from '../../../../activities/recover.ts'
import { STANZA } from '../../../../scripts/quickstart/names.ts'
import type { PairSite } from '../../../../scripts/toolbox/pair.ts'
import { createPgbackrest } from '../../../../src/drivers/postgres-physical/pgbackrest.ts'
import { withClient } from '../../../../src/drivers/postgres-common/connect.ts'
import { DEFAULT_SEGMENT_BYTES } from '../../../../src/core/wal.ts'
import { freshId, type Scenario } from '../scenario.ts'
import type { CrashStage, Lane } from '../stage.ts'
import { instanceProblems } from '../world/instances.ts'
import { primariesOf, sitesOf } from '../world/pair.ts'
import { pointsOf } from '../world/repository.ts'
import { serverProblems } from '../world/source.ts'
import { backup, common, ensurePoint, idsOf, nameOf, starting, type Subject, verifyRestore } from './points.ts'
import { reportOf, withInstance } from './restores.ts'

export interface StanzaScenarios {
  backup: Scenario
  verifyRestore: Scenario
  pointInTimeRecovery: Scenario
  walSwitch: Scenario
  retention: Scenario
}

/** Sources of one stanza: all points are kept of the first, one of the second. */
export const KEPT = 'shop'
export const SHORT = 'shop-short'

export function stanzaScenarios(stage: CrashStage, lane: Lane): StanzaScenarios {
  const problems = async () => [
    ...(await instanceProblems(lane.scratchDir)),
    ...(await serverProblems(await primarySite(stage), { slots: [stage.stack.pair.slot] })),
    ...(await engineProblems(stage, lane)),
  ]
  const shop: Subject = { lane, source: KEPT, kind: 'physical', problems }
  return {
    backup: backup(shop),
    verifyRestore: verifyRestore(shop),
    pointInTimeRecovery: pointInTimeRecovery(shop, stage),
    walSwitch: walSwitch(shop, stage),
    retention: retention({ ...shop, source: SHORT }),
  }
}

async function primarySite({ stack }: CrashStage): Promise<PairSite> {
  const [name] = await primariesOf(stack)
  const site = sitesOf(stack).find((one) => one.name === name)
  if (!site) throw new Error('nobody takes writes')
  return site
}

/** Every backup of the engine belongs to one point, and every point's backup is there. */
async function engineProblems(stage: CrashStage, lane: Lane): Promise<string[]> {
  const { config } = await primarySite(stage)
  const configFile = lane.config.failoverGroups['shop']?.sites[config.host]?.pgbackrestConfig ?? ''
  const engine = createPgbackrest({ configFile, stanza: STANZA, osUser: config.osUser, segmentBytes: DEFAULT_SEGMENT_BYTES })
  const { busy, backups } = await engine.info()
  const points = (await Promise.all([KEPT, SHORT].map((source) => pointsOf(lane, source)))).flat()
  return [
    ...(busy ? ['the engine is busy'] : []),
    ...backups
      .filter(({ label }) => points.filter((point) => point.label === label).length !== 1)
      .map(({ label, pointId }) => `backup ${label}, taken for ${pointId}, is of no point or of two`),
    ...points
      .filter((point) => !backups.some(({ label }) => label === point.label))
      .map(({ id, label }) => `the backup ${label} of ${id} is not there`),
  ]
}

/** A row before the moment and one after it: the copy has the first, the live database both. */
const pointInTimeRecovery = (subject: Subject, stage: CrashStage): Scenario => ({
  name: 'pointInTimeRecovery',
  lane: subject.lane,
  async prepare() {
    await ensurePoint(subject)
    const live = await primarySite(stage)
    const [wanted, late] = [freshId('wanted'), freshId('late')]
    await live.query(`insert into kept (note) values ('${wanted}')`)
    const [row] = await live.query(`select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time`)
    await live.query(`select pg_sleep(0.1); insert into kept (note) values ('${late}')`)
    const target = { time: String(row?.['time']) }
    const count = `select count(*) filter (where note = '${wanted}')::int as wanted, count(*) filter (where note = '${late}')::int as late from kept`
    return {
      start: starting(subject.lane, 'pointInTimeRecovery', { source: KEPT, target, tables: ['public.kept'] }),
      async compare(crashed) {
        const report = reportOf<RecoveryReport>(crashed)
        const look = async (connection: string) => {
          const { rows } = await withClient(connection, {}, (client) => client.query<{ wanted: number; late: number }>(count))
          return rows[0]?.wanted === 1 && rows[0].late === 0 ? [] : [`the copy holds ${JSON.stringify(rows[0])}`]
        }
        const copy = report ? await withInstance(subject, report.instance, () => look(report.connection)) : []
        const [now] = await live.query(count)
        const untouched = now?.['wanted'] === 1 && now['late'] === 1 ? [] : [`the live database holds ${JSON.stringify(now)}`]
        return [...copy, ...untouched, ...(await common(subject, crashed))]
      },
    }
  },
})

/** What was written before it is in the archive. */
const walSwitch = (subject: Subject, stage: CrashStage): Scenario => ({
  name: 'walSwitch',
  lane: subject.lane,
  async prepare() {
    const live = await primarySite(stage)
    await live.query(`insert into kept (note) values ('${freshId('switched')}')`)
    const [row] = await live.query('select pg_walfile_name(pg_current_wal_insert_lsn()) as segment')
    const written = String(row?.['segment'])
    return {
      start: starting(subject.lane, 'walSwitch', { source: KEPT }),
      async compare(crashed) {
        const [archiver] = await live.query('select last_archived_wal as segment from pg_stat_archiver')
        const archived = archiver?.['segment']
        const there = typeof archived === 'string' && archived >= written
        const late = there ? [] : [`the archive ends with ${archived ?? 'nothing'}, before ${written}`]
        return [...late, ...(await common(subject, crashed, { evidence: false }))]
      },
    }
  },
})

/** Two points of which the older goes, and with it what the engine keeps of it. */
const retention = (subject: Subject): Scenario => ({
  name: nameOf('retention', subject),
  lane: subject.lane,
  async prepare() {
    const { lane, source } = subject
    // A backup ends with its retention: only a hold keeps the older one until the round.
    const older = await ensurePoint(subject)
    const held = { format: 'holdfast/v1', type: 'hold', source, id: older, actor: 'crash', reason: 'until the round' } as const
    const catalog = await lane.services.catalog('hot')
    await catalog.addHold({ ...held, held: true, at: new Date().toISOString() })
    await lane.calm(starting(lane, 'backup', { source }))
    await catalog.addHold({ ...held, held: false, at: new Date().toISOString() })
    const newer = (await idsOf(subject)).at(-1)
    return {
      start: starting(lane, 'retention', { source }),
      async compare(crashed) {
        const left = await idsOf(subject)
        const right = left.length === 1 && left[0] === newer && newer !== older
        return [
          ...(right ? [] : [`left: ${left.join(', ') || 'none'} instead of ${newer}`]),
          ...(await common(subject, crashed, { evidence: false })),
        ]
      },
    }
  },
})
