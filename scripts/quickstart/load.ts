/** The load of step 7: many clients and one long committing procedure, all on other tables than the writer's. */
import { join } from 'node:path'
import { startDaemon } from '../../src/process/daemon.ts'
import { until } from '../../src/process/wait.ts'
import { postgresCommand } from '../toolbox/postgres.ts'
import type { Session } from './session.ts'
import { DATABASE } from './names.ts'

const PROCEDURE = `
  create table if not exists long_work (n bigint);
  create or replace procedure work_long() language plpgsql as $$
  begin
    for n in 1..10000000 loop
      insert into long_work values (n);
      if n % 10 = 0 then commit; end if;
      perform pg_sleep(0.002);
    end loop;
  end $$`

/** What the load writes to, on both sides: a schema that only the old side has is nothing that a failback can export. */
export async function prepareLoad({ primary, standby }: Session): Promise<void> {
  await primary.query(PROCEDURE)
  const there = async () => (await standby.query("select to_regproc('work_long') is not null as there"))[0]?.['there'] === true
  await until(there, { timeoutMs: 60_000, what: 'the standby to have the procedure' })
}

/** Starts both; they end with the server that they talk to. */
export async function startLoad(session: Session): Promise<{ stop(): Promise<void> }> {
  const { primary, stack } = session
  const target = ['-h', primary.config.address, '-p', String(primary.config.port), '-U', 'postgres']
  const clients = await startDaemon(
    postgresCommand('pgbench', ['-n', '-c', '12', '-j', '1', '-T', '600', '-R', '300', ...target, DATABASE]),
    { logFile: join(stack.dir, 'load.log') },
  )
  const procedure = await startDaemon(postgresCommand('psql', [...target, '-c', 'call work_long()', DATABASE]), {
    logFile: join(stack.dir, 'procedure.log'),
  })
  const stop = async () => {
    await clients.stop({ graceMs: 2_000 })
    await procedure.stop({ graceMs: 2_000 })
  }
  stack.onStop(stop)
  return { stop }
}
