/** A planned failover on the quickstart's pair, and back again by hand: clean stop, pg_promote, nsupdate. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type FailoverReport, PHASES } from '../../src/contract/failover.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import { RECORD, ZONE } from '../quickstart/names.ts'
import { resultOf } from '../quickstart/session.ts'
import type { Stack } from '../quickstart/stack.ts'
import { approveAs } from '../quickstart/steps-failover.ts'
import { findProgram } from '../toolbox/find.ts'
import { awaitStreaming, type PairSite } from '../toolbox/pair.ts'
import { type Bench, orStopped } from './bench.ts'
import { compared, median, round } from './rows.ts'
import { whileWorking } from './stack.ts'

export async function benchFailover(bench: Bench, stack: Stack): Promise<void> {
  const { primary: east, standby: west, slot } = stack.pair
  const machine: number[] = []
  const outage: number[] = []
  const bare: number[] = []
  const phases: Record<string, number[]> = {}
  // The first of each is not counted: it compiles, connects and makes what later ones find.
  for (let number = 0; number <= bench.rounds; number++) {
    bench.signal.throwIfAborted()
    const counted = number > 0
    const report = await whileWorking(stack, holdfast(stack, number), bench.signal)
    const whole = PHASES.filter((phase) => phase !== 'approval').reduce((sum, phase) => sum + report.phases[phase], 0)
    if (counted) {
      machine.push(whole)
      outage.push(whole - report.phases.detect)
      for (const phase of PHASES) phases[phase] = [...(phases[phase] ?? []), report.phases[phase]]
    }
    const seconds = await orStopped(byHand(stack, { from: west, to: east }), bench.signal)
    if (counted) bare.push(seconds)
    bench.say(
      `${counted ? `round ${number} of ${bench.rounds}` : 'warm-up'}: failover ${whole.toFixed(2)} s, by hand ${seconds.toFixed(2)} s`,
    )
    await orStopped(followAgain(west, east, slot), bench.signal)
  }
  const parts = PHASES.filter((phase) => phase !== 'approval').map((phase) => `${phase} ${round(median(phases[phase] ?? []), 2)} s`)
  const against = 'a clean stop through the same supervisor, pg_promote and nsupdate on the same pair, the other way'
  const limit = `${parts.join(', ')}; each step is an activity on the host it is about, and the fence is proved by a start that must be refused`
  const goal = { factor: 1, plusSeconds: 2 }
  bench.add(compared({ name: "failover's machine time, readiness, fence and proof included", against, limit }, machine, bare, goal))
  bench.add(
    compared(
      {
        name: "failover's machine time from the fence to the first good write",
        against,
        limit: 'the same without the readiness checks, during which the old side still serves',
      },
      outage,
      bare,
      goal,
    ),
  )
}

async function holdfast(stack: Stack, number: number): Promise<FailoverReport> {
  const input = { group: 'shop', mode: 'planned', reason: 'bench', requestedBy: 'bench' }
  const handle = await stack.client.workflow.start('failover', {
    taskQueue: 'holdfast',
    workflowId: `bench-failover-${number}`,
    args: [input],
  })
  await approveAs(handle, 'second-person', 'bench')
  return resultOf<FailoverReport>(handle)
}

/** What an administrator types. Nothing is proved. */
async function byHand({ dns }: Stack, { from, to }: { from: PairSite; to: PairSite }): Promise<number> {
  const started = performance.now()
  const stopped = await from.supervise('stop')
  if (stopped.exitCode !== 0) throw new Error(`the stop of ${from.name}: ${stopped.message}`)
  await to.query('select pg_promote(true, 60)')
  const [host, port] = dns.server.split(':')
  const lines = [
    `key ${dns.key.algorithm}:${dns.key.name} ${dns.key.secret}`,
    `server ${host} ${port}`,
    `zone ${ZONE}`,
    `update delete ${RECORD} A`,
    `update add ${RECORD} 1 A ${to.config.address}`,
    'send',
    '',
  ]
  await run({ program: findProgram('nsupdate'), args: ['-v'], stdin: lines.join('\n') })
  return (performance.now() - started) / 1000
}

/** Not measured: the side that was stopped follows the other, and the pair is as it was before the round. */
async function followAgain(site: PairSite, primary: PairSite, slot: string): Promise<void> {
  const { address, port } = primary.config
  await primary.query(
    `select pg_create_physical_replication_slot('${slot}', true) where not exists (select from pg_replication_slots where slot_name = '${slot}')`,
  )
  await writeFile(join(site.config.dataDir, 'standby.signal'), '')
  await run({
    program: 'chown',
    args: ['--reference', join(site.config.dataDir, 'PG_VERSION'), join(site.config.dataDir, 'standby.signal')],
  })
  const answer = await site.supervise('start')
  if (answer.exitCode !== 0) throw new Error(`the start of ${site.name}: ${answer.message}`)
  await until(() => site.query('select 1').catch(() => false as const), { timeoutMs: 60_000, what: `${site.name} to answer` })
  await site.query(`alter system set primary_conninfo = 'host=${address} port=${port} user=repl application_name=${site.name}'`)
  await site.query(`alter system set primary_slot_name = '${slot}'`)
  await site.query('select pg_reload_conf()')
  await site.query(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '${slot}'`)
  await awaitStreaming(primary)
  await onNewTimeline(site, primary)
}

/** What a standby follows stands in its control file only after its next restart point: without one the next failover takes it for one of the old timeline. */
async function onNewTimeline(site: PairSite, primary: PairSite): Promise<void> {
  const timelineOf = async (one: PairSite) => Number((await one.query('select timeline_id as id from pg_control_checkpoint()'))[0]?.['id'])
  await primary.query('checkpoint')
  const timeline = await timelineOf(primary)
  await until(
    async () => {
      await site.query('checkpoint')
      return (await timelineOf(site)) === timeline
    },
    { timeoutMs: 60_000, everyMs: 250, what: `${site.name} to note timeline ${timeline}` },
  )
}
