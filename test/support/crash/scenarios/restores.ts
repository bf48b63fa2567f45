/** A point brought back beside the live database, and in its place. */
import { basename, join } from 'node:path'
import type { RestoreReport } from '../../../../activities/restore.ts'
import type { Cluster } from '../../../../scripts/toolbox/postgres.ts'
import { withClient } from '../../../../src/drivers/postgres-common/connect.ts'
import type { Scenario } from '../scenario.ts'
import type { Crashed, Lane } from '../stage.ts'
import { common, ensurePoint, idsOf, nameOf, starting, type Subject } from './points.ts'

const COUNT = 'select count(*)::int as books, count(*) filter (where id > 2000)::int as strange from book'

/** Looks at an instance that a run left running for whoever asked for it, then ends it. */
export async function withInstance(subject: Subject, name: string, look: () => Promise<string[]>): Promise<string[]> {
  const found = await look().catch((error: Error) => [`the instance ${name} is not as it was reported: ${error.message}`])
  const driver = await subject.lane.services.driver(subject.source)
  await driver.destroy({ dir: join(subject.lane.scratchDir, basename(name)) })
  return found
}

export const restoreBeside = (subject: Subject): Scenario => ({
  name: nameOf('restore', subject),
  lane: subject.lane,
  async prepare() {
    const { lane, source } = subject
    const id = await ensurePoint(subject)
    return {
      start: starting(lane, 'restore', { source, recoveryPoint: id, requestedBy: 'crash' }),
      async compare(crashed) {
        const report = reportOf<RestoreReport>(crashed)
        const found = report ? await withInstance(subject, report.instance, () => holds(report.connection ?? '')) : []
        return [...found, ...(await common(subject, crashed))]
      },
    }
  },
})

/** An instance that somebody asked for and needs no more. */
export const discard = (subject: Subject): Scenario => ({
  name: nameOf('discardInstance', subject),
  lane: subject.lane,
  async prepare() {
    const { lane, source } = subject
    const id = await ensurePoint(subject)
    const made = reportOf<RestoreReport>(await lane.calm(starting(lane, 'restore', { source, recoveryPoint: id, requestedBy: 'crash' })))
    if (!made) throw new Error(`${id} could not be restored beside`)
    return {
      start: starting(lane, 'discardInstance', { source, instance: basename(made.instance) }),
      compare: (crashed) => common(subject, crashed, { evidence: false }),
    }
  },
})

/** The live database has a book that the point has not; afterwards it has not either, and the old one is kept. */
export const restoreLive = (subject: Subject, cluster: Cluster, database: string): Scenario => ({
  name: nameOf('restore live', subject),
  lane: subject.lane,
  async prepare() {
    const { lane, source } = subject
    const id = await ensurePoint(subject)
    const before = new Set(await idsOf(subject))
    await cluster.query(`insert into book select 1 + max(id), 'strange' from (select id from book union all select 2000) b`, database)
    const confirm = await fingerprintOf(lane, source)
    return {
      start: starting(lane, 'restore', { source, recoveryPoint: id, target: 'live', confirm, requestedBy: 'crash' }),
      async compare(crashed) {
        const report = reportOf<RestoreReport>(crashed)
        const fresh = (await idsOf(subject)).filter((one) => !before.has(one))
        const safety =
          fresh.length === 1 && fresh[0] === report?.safetyBackup
            ? []
            : [`new points: ${fresh.join(', ') || 'none'}; the safety backup is ${report?.safetyBackup}`]
        const content = await holds(cluster.connection(database))
        if (report?.keptAs) await cluster.query(`drop database "${report.keptAs}"`)
        return [...safety, ...content, ...(await common(subject, crashed, { fresh }))]
      },
    }
  },
})

export async function fingerprintOf({ services }: Lane, source: string): Promise<string> {
  const { live } = await services.driver(source)
  if (!live) throw new Error(`${source} is not restored over a live database`)
  return live.fingerprint()
}

async function holds(connection: string): Promise<string[]> {
  const row = await withClient(connection, {}, async (client) => (await client.query<{ books: number; strange: number }>(COUNT)).rows[0])
  return row?.books === 2000 && row.strange === 0 ? [] : [`it holds ${row?.books} books, ${row?.strange} of them strange`]
}

export function reportOf<T>({ outcome }: Crashed): T | undefined {
  return 'value' in outcome ? (outcome.value as T) : undefined
}
