/** Steps 2 to 6: a database with a writer, schedules, two backups, two proofs, a mistake and its repair. */
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import { reconcileSchedules } from '../../src/temporal/schedules.ts'
import { registerSearchAttributes } from '../../src/temporal/search-attributes.ts'
import type { BackupResult } from '../../workflows/backup.ts'
import type { ProofResult } from '../../activities/proof.ts'
import type { RecoveryReport } from '../../activities/recover.ts'
import { postgresCommand } from '../toolbox/postgres.ts'
import { runWorkflow, type Session, startWriter } from './session.ts'
import { DATABASE } from './names.ts'
import { awaitWrites } from './writer-log.ts'

export async function load(session: Session): Promise<string> {
  const { primary, scale } = session
  const { address, port } = primary.config
  session.say(`pgbench -i at scale ${scale}`)
  await run(postgresCommand('pgbench', ['-i', '-q', '-s', String(scale), '-h', address, '-p', String(port), '-U', 'postgres', DATABASE]), {
    timeoutMs: 900_000,
    signal: session.signal,
  })
  await primary.query('create table writes (id bigint primary key, note text not null, at timestamptz not null default clock_timestamp())')
  await primary.query(
    'create table price_list as select n as id, md5(n::text) as name, n * 1.5 as price from generate_series(1, 5000) n; alter table price_list add primary key (id)',
  )
  await startWriter(session)
  const count = await awaitWrites(session.writerLog, 0, 200)
  const rows = await primary.query(`select pg_size_pretty(pg_database_size('${DATABASE}')) as size`)
  return `${String(rows[0]?.['size'])}, the writer has ${count} acknowledged writes`
}

export async function apply(session: Session): Promise<string> {
  const { stack } = session
  await registerSearchAttributes(stack.client)
  const changes = await reconcileSchedules(stack.client, stack.config, { dryRun: false })
  // What the hourly schedule does, once by hand: the canary that a failover reads later.
  const { segment } = await runWorkflow<{ segment: string }>(session, 'walSwitch', { source: 'shop' })
  return `${changes.create.length} schedules created: ${changes.create.join(', ')}; ${segment} archived`
}

export async function backupSources(session: Session): Promise<string> {
  const taken: string[] = []
  for (const source of ['shop', 'shop-logical']) {
    session.say(`backup of ${source}`)
    const result = await runWorkflow<BackupResult>(session, 'backup', { source, description: 'quickstart' })
    session.report.backups.push({ source, id: result.id, driver: result.driver, storedBytes: result.storedBytes, seconds: result.seconds })
    if (result.warnings.length > 0) session.say(`warnings: ${result.warnings.join('; ')}`)
    taken.push(`${result.driver} ${(result.storedBytes / 1e6).toFixed(0)} MB in ${result.seconds.toFixed(1)} s`)
  }
  return taken.join(', ')
}

export async function prove(session: Session): Promise<string> {
  const proved: string[] = []
  for (const { source, id } of session.report.backups) {
    session.say(`verifyRestore of ${source} ${id}`)
    const proof = await runWorkflow<ProofResult>(session, 'verifyRestore', { source, recoveryPoint: id, depth: 'full' })
    session.report.proofs.push({ source, id, depth: proof.depth, ok: proof.ok, assertions: proof.assertions, seconds: proof.seconds })
    proved.push(`${source}: ${proof.passed} of ${proof.assertions} assertions in ${proof.seconds.toFixed(1)} s`)
  }
  return proved.join('; ')
}

/** A committed DELETE and DROP, then the database as it was just before, beside the live one. */
export async function mistake(session: Session): Promise<string> {
  const { primary } = session
  const before = await primary.query(
    'select (select count(*) from price_list) as prices, (select count(*) from pgbench_branches) as branches ',
  )
  const expected = Number(before[0]?.['prices']) + Number(before[0]?.['branches'])
  const [{ at }] = (await primary.query(
    'select to_char(clock_timestamp() at time zone \'UTC\', \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\') as at',
  )) as [{ at: string }]
  await primary.query('begin; delete from pgbench_branches; commit')
  await primary.query('drop table price_list')
  session.say(`the mistake is committed; recovering to ${at}`)
  const report = await runWorkflow<RecoveryReport>(session, 'pointInTimeRecovery', {
    source: 'shop',
    target: { time: at },
    tables: ['public.price_list', 'public.pgbench_branches'],
  })
  const found = report.tables.reduce((sum, table) => sum + table.rows, 0)
  session.report.pitr = {
    target: at,
    stoppedAt: report.stoppedAt.time ?? report.stoppedAt.lsn ?? '',
    rowsExpected: expected,
    rowsFound: found,
  }
  for (const { copyBack } of report.tables) {
    session.say(copyBack)
    await run({ program: 'bash', args: ['-o', 'pipefail', '-c', copyBack] }, { timeoutMs: 120_000, signal: session.signal })
  }
  await until(
    async () => {
      const [row] = await primary.query(
        'select (select count(*) from price_list) as prices, (select count(*) from pgbench_branches) as branches',
      )
      return Number(row?.['prices']) + Number(row?.['branches']) === expected
    },
    { timeoutMs: 10_000, what: 'the rows to be back in the live database' },
  )
  await runWorkflow(session, 'discardInstance', { source: 'shop', instance: report.instance })
  return `${found} of ${expected} rows back, replay stopped at ${session.report.pitr.stoppedAt}`
}
