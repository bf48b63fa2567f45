/** init, doctor, apply, dev, worker: from nothing to a worker that serves. */
import type { Command } from 'commander'
import { EXIT, HoldfastError } from '../../core/errors.ts'
import { reconcileSchedules } from '../../temporal/schedules.ts'
import { registerSearchAttributes } from '../../temporal/search-attributes.ts'
import { loadConfig } from '../../config/load.ts'
import { rulesByDefault } from '../../config/retention-rules.ts'
import { again, type CommandContext, withClient } from '../context.ts'
import { outside, outsideLines } from '../doctor/bare.ts'
import { AREAS, examine, report } from '../doctor/index.ts'
import { initialise } from '../init.ts'
import type { Action } from '../program.ts'

export function addSetupCommands(program: Command, action: Action): void {
  program
    .command('init')
    .description('write a commented configuration, an age identity and a signing key; overwrites nothing')
    .option('--keys <folder>', 'new folder for the two keys; "keys" beside the configuration by default')
    .action(
      action(async (context, o: { keys?: string }) => {
        const done = await initialise(context.options.config, o.keys)
        context.output.result(done, [
          `wrote ${done.config}`,
          `wrote ${done.identityFile} and ${done.signingKeyFile}, readable by you only`,
          ...done.keepSafe,
          ...done.next,
        ])
      }),
    )

  program
    .command('doctor')
    .description(
      'look at everything the configuration names and say what to do next; changes nothing but test objects that it removes again',
    )
    .option('--bare', 'list what has to come from outside after a total loss, and what of it is not here; looks at nothing else', false)
    .option('--only <area>', `one of ${AREAS.join(', ')}; again for more`, again)
    .action(
      action(async (context, o: { only?: string[]; bare: boolean }) => {
        if (o.bare) return bare(context)
        const findings = await examine(context, o.only)
        context.output.result({ ok: findings.every(({ ok }) => ok), findings }, report(findings))
        return findings.every(({ ok }) => ok) ? EXIT.ok : EXIT.degraded
      }),
    )

  program
    .command('apply')
    .description('make schedules and search attributes in Temporal as the configuration says')
    .option('--dry-run', 'show the difference, and make nothing', false)
    .option('--no-schedules', 'the search attributes only, and of schedules nothing: for the hour after a total loss')
    .action(
      action((context, o: { dryRun: boolean; schedules: boolean }) =>
        withClient(context, async (client, config) => {
          const searchAttributes = await registerSearchAttributes(client, o)
          const changes = o.schedules ? await reconcileSchedules(client, config, o) : { create: [], update: [], delete: [], unchanged: [] }
          const schedules = (['create', 'update', 'delete', 'unchanged'] as const).flatMap((what) =>
            changes[what].map((id) => `${what.padEnd(9)} ${id}`),
          )
          const byDefault = rulesByDefault(config)
          context.output.result({ searchAttributes, ...changes, byDefault }, [
            ...searchAttributes.map((name) => `create    search attribute ${name}`),
            ...schedules,
            ...Object.entries(byDefault).map(([name, rules]) => `keeps     points of ${name} by default: ${rules.join(', ')}`),
            o.schedules ? undefined : 'schedules are left alone: holdfast apply makes them',
          ])
        }),
      ),
    )

  program
    .command('worker')
    .description('run a worker until it is stopped')
    .option('--roles <list>', 'control, data, host:<name>, separated by commas', 'control,data')
    .action(
      action((context, o: { roles: string }) =>
        context.wiring.serve({
          configFile: context.options.config,
          roles: o.roles,
          onReady: (place) => context.output.result(place, [`worker ${place.roles} at ${place.address}; Ctrl-C stops it in order`]),
        }),
      ),
    )

  addDev(program, action)
}

async function bare(context: CommandContext): Promise<number> {
  const { config: file } = context.options
  const found = await outside(await loadConfig(file), file)
  context.output.result(found, outsideLines(found))
  return found.some(({ here }) => here === false) ? EXIT.degraded : EXIT.ok
}

function addDev(program: Command, action: Action): void {
  program
    .command('dev')
    .description('Temporal and a worker in every role, in one; Ctrl-C stops both')
    .option('--db-file <file>', "keep Temporal's state there; it is in memory without")
    .option('--ui-port <port>', 'port of the Temporal UI; that of Temporal and 1000 more by default')
    .action(
      action(async (context, o: { dbFile?: string; uiPort?: string }) => {
        const uiPort = o.uiPort === undefined ? undefined : portOf(o.uiPort)
        await context.wiring.dev({
          configFile: context.options.config,
          ...(o.dbFile === undefined ? {} : { dbFile: o.dbFile }),
          ...(uiPort === undefined ? {} : { uiPort }),
          onReady: (place) =>
            context.output.result(place, [`Temporal ${place.address}, UI ${place.uiUrl}`, `worker ${place.roles}`, 'Ctrl-C stops both']),
        })
      }),
    )
}

function portOf(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new HoldfastError('INPUT_INVALID', `"${text}" is no port`, { object: text, next: 'holdfast dev --ui-port 8233' })
}
