/** restore and pitr: bringing data back, beside the live database or in its place. */
import { type Command, Option } from 'commander'
import { EXIT, HoldfastError } from '../../core/errors.ts'
import { again, byOption, type CommandContext } from '../context.ts'
import { progressText } from '../follow.ts'
import { restoreOffline } from '../offline.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

interface Restored {
  id: string
  /** Of the copy that was taken. */
  repository?: string
  target: string
  connection?: string
  instance?: string
  host?: string
  safetyBackup?: string
  keptAs?: string
  notes?: string[]
  connect?: string
  warnings?: string[]
}
interface Recovered {
  instance: string
  host?: string
  base: string
  /** Of the copy that was taken. */
  repository?: string
  connection: string
  seconds: number
  stoppedAt: { lsn?: string; time?: string; sequence?: string; timeline?: number }
  tables: { name: string; rows: number; copyBack: string }[]
  notes?: string[]
  warnings?: string[]
}
interface RestoreOptions {
  live: boolean
  confirm?: string
  safetyBackup: boolean
  by: string
  offline: boolean
  repository?: string
  identity?: string
  publicKey?: string[]
  engineSetting?: string[]
  into?: string
  part?: string[]
  mode?: string
  to?: string
  toSequence?: number
}
interface PitrOptions {
  time?: string
  lsn?: string
  xid?: string
  name?: string
  sequence?: number
  latest?: true
  timeline?: number
  repository?: string
  table?: string[]
}

export function addRestoreCommands(program: Command, action: Action): void {
  program
    .command('restore [source] [point]')
    // Optional to its parser only: without it, --offline shows a whole example instead of the name of an argument.
    .usage('[options] <source> [point]')
    .description(
      'restore a recovery point (the newest by default whose proof did not fail) beside the live database, over it with --live, or with nothing but a repository and a key with --offline',
    )
    .option('--live', 'replace the live database', false)
    .option('--confirm <fingerprint>', 'with --live: fingerprint of the live database that is replaced')
    .option('--no-safety-backup', 'with --live: keep no recovery point of what is replaced; for where nothing is left to save')
    .addOption(byOption('who asks'))
    .option('--offline', 'without Temporal, worker and configuration', false)
    .option(
      '--repository <url>',
      'the copy in this repository of the configuration; with --offline: folder:/path, ssh://user@host/path or s3://bucket/prefix, AWS_ENDPOINT_URL, AWS_REGION, AWS_CA_BUNDLE and AWS keys from the environment',
    )
    .option('--identity <file>', 'with --offline: the age identity that opens it')
    .option('--public-key <id=base64>', 'with --offline: a key that may have signed it; again for more', again)
    .option(
      '--engine-setting <name=value>',
      'with --offline, for a physical point: a pgBackRest setting of this host, like repo1-path=/mnt/backups, no secret; again for more',
      again,
    )
    .option('--into <place>', 'somewhere else than where the source is: a folder, a name; with --offline: new folder to restore into')
    .option('--part <name>', 'only this part of the point: a file, a graph, a collection, a schema; again for more', again)
    .addOption(
      new Option('--mode <mode>', 'what becomes of what is there already: replaced, added to, or refused where there is anything').choices([
        'empty',
        'replace',
        'upsert',
      ]),
    )
    .option(
      '--to <time>',
      'replay what came after the point up to this time, with its offset, or all of it (latest); of a bucket, what it kept itself of that time; where the driver can',
    )
    .option('--to-sequence <number>', 'without the events after this one, where the driver can', Number)
    .action(
      action((context, source: string | undefined, point: string | undefined, o: RestoreOptions) => {
        refuseIgnored(o)
        return o.offline ? offline(context, source, point, o) : restore(context, source, point, o)
      }),
    )

  program
    .command('pitr <source>')
    .description('recover to a point in time, beside the live database; give one of time, lsn, xid, name, sequence, latest')
    .option('--time <time>', 'with its offset, like 2026-01-15T12:00:00Z')
    .option('--lsn <lsn>', 'a WAL position, like 16/B374D848')
    .option('--xid <xid>', 'a transaction')
    .option('--name <name>', 'a restore point')
    .option('--sequence <number>', 'the last event of an event store', Number)
    .option('--latest', 'the end of the archive')
    .option('--timeline <number>', 'where more than one branch holds the target', Number)
    .option('--repository <name>', 'begin with the copy in this repository of the configuration')
    .option('--table <name>', 'a table to count and to give a copy command for; again for more', again)
    .action(
      action(async (context, source: string, o: PitrOptions) => {
        const { table, repository, ...target } = o
        const { result } = await runWorkflow<Recovered>(context, 'pointInTimeRecovery', { source, target, tables: table, repository })
        context.output.result(result, result ? recoveredLines(source, result) : [])
      }),
    )

  program
    .command('discard <source> <instance>')
    .description('stop and remove an instance that a recovery left beside the live one, on whichever host of the source it is')
    .option('--host <name>', 'where it is, instead of asking every host')
    .action(
      action(async (context, source: string, instance: string, { host }: { host?: string }) => {
        const { result } = await runWorkflow<{ host?: string }>(context, 'discardInstance', { source, instance, host })
        context.output.result(result ?? { source, instance }, [`discarded ${instance}${onHost(result?.host)}`])
      }),
    )
}

/** What means nothing without another option: ignored, it would let somebody believe that it was heeded. */
const NEEDS = {
  live: { '--confirm': 'confirm' },
  offline: {
    '--identity': 'identity',
    '--public-key': 'publicKey',
    '--engine-setting': 'engineSetting',
  },
} as const

function refuseIgnored(o: RestoreOptions): void {
  if (o.live && o.offline) {
    throw new HoldfastError('INPUT_INVALID', '--live and --offline exclude each other', {
      object: '--offline',
      next: 'give --offline to restore into a folder of this machine, --live to let the worker replace the live database',
    })
  }
  const chosen = o.offline
    ? (o.part && '--part') || (o.mode && '--mode') || (o.to && '--to') || (o.toSequence !== undefined && '--to-sequence')
    : undefined
  if (chosen)
    throw new HoldfastError('INPUT_INVALID', `${chosen} means nothing with --offline, which brings back all of a point`, {
      object: chosen,
      next: `leave ${chosen} out`,
    })
  if (!o.safetyBackup && !o.live)
    throw new HoldfastError('INPUT_INVALID', '--no-safety-backup needs --live', {
      object: '--no-safety-backup',
      next: 'add --live, or leave --no-safety-backup out',
    })
  if (o.repository?.includes(':') && !o.offline)
    throw new HoldfastError('INPUT_INVALID', '--repository needs --offline', {
      object: '--repository',
      next: 'add --offline, or name a repository of holdfast.yaml that has copies of the source',
    })
  for (const [needed, options] of [
    ['live', NEEDS.live],
    ['offline', NEEDS.offline],
  ] as const) {
    const ignored = Object.entries(options).find(([, key]) => o[key] !== undefined)?.[0]
    if (ignored === undefined || o[needed]) continue
    throw new HoldfastError('INPUT_INVALID', `${ignored} needs --${needed}`, {
      object: ignored,
      next: `add --${needed}, or leave ${ignored} out`,
    })
  }
}

async function restore(context: CommandContext, source: string | undefined, point: string | undefined, o: RestoreOptions): Promise<number> {
  if (source === undefined)
    throw new HoldfastError('INPUT_INVALID', "missing required argument 'source'", { object: 'source', next: 'holdfast restore --help' })
  const choice = {
    parts: o.part,
    into: o.into,
    mode: o.mode,
    to: o.to,
    toSequence: o.toSequence,
    repository: o.repository,
    ...(!o.safetyBackup && { safetyBackup: false }),
  }
  const target = o.live ? 'live' : 'beside'
  const input = { source, recoveryPoint: point ?? 'latest', target, confirm: o.confirm, requestedBy: o.by, ...choice }
  const { result } = await runWorkflow<Restored>(context, 'restore', input)
  context.output.result(result, [
    `restored ${result?.id} ${result?.repository ? `from ${result.repository} ` : ''}${o.live ? 'over the live one' : 'beside the live one'}`,
    ...(result?.warnings ?? []).map((warning) => `warning: ${warning}`),
    result?.connection && `connect${onHost(result.host)}: ${result.connect ?? `psql "${result.connection}"`}`,
    result?.safetyBackup && `safety backup ${result.safetyBackup}`,
    ...(result?.notes ?? keptDatabase(result?.keptAs)),
    !o.live && result?.instance ? `when done: holdfast discard ${source} ${result.instance}` : undefined,
  ])
  return EXIT.ok
}

function keptDatabase(name: string | undefined): string[] {
  if (name === undefined) return []
  return [
    `what was replaced is kept, closed to connections; to look: alter database "${name}" allow_connections true; to end it: drop database "${name}"`,
  ]
}

async function offline(context: CommandContext, source: string | undefined, point: string | undefined, o: RestoreOptions): Promise<number> {
  const { repository, identity, publicKey, into } = o
  if (!source || !repository || !identity || !publicKey || !into) {
    const next = `holdfast restore --offline --repository folder:/backups --identity identity.txt --public-key <id=base64> --into /srv/restored ${source ?? 'orders'}`
    throw new HoldfastError('INPUT_INVALID', '--offline needs a source, --repository, --identity, --public-key and --into', {
      object: '--offline',
      next,
    })
  }
  const stopping = new AbortController()
  const stop = () => stopping.abort(new Error('stopped by Ctrl-C'))
  process.on('SIGINT', stop)
  try {
    const done = await restoreOffline({
      source,
      point: point ?? 'latest',
      repository,
      identityFile: identity,
      into,
      publicKeys: publicKey,
      engineSettings: o.engineSetting ?? [],
      signal: stopping.signal,
      onProgress: (progress) =>
        context.output.live ? context.output.progress(progressText(progress)) : context.output.progress(progress.phase),
    })
    const lines = [
      `restored ${done.id}`,
      ...done.files.map((file) => `  ${file}`),
      ...done.warnings.map((warning) => `warning: ${warning}`),
      'next:',
      ...done.next.map((line) => `  ${line}`),
    ]
    context.output.result(done, lines)
    return done.warnings.length > 0 ? EXIT.degraded : EXIT.ok
  } finally {
    process.off('SIGINT', stop)
  }
}

/** An instance listens on a socket only: one has to know on which host. */
const onHost = (host: string | undefined) => (host === undefined ? '' : ` on ${host}`)

/** Commands stand at the beginning of their lines: a space before them could become part of a name that has lines. */
export function recoveredLines(source: string, recovered: Recovered): string[] {
  const { base, repository, stoppedAt, seconds, connection, tables, notes = [], warnings = [], instance, host } = recovered
  return [
    `recovered from ${base} ${repository ? `in ${repository} ` : ''}to ${placeOf(stoppedAt)} in ${seconds.toFixed(1)} s`,
    `connect${onHost(host)}: psql "${connection}"`,
    ...tables.flatMap(({ name, rows, copyBack }) => [`${name}: ${rows} rows; copy back with:`, copyBack]),
    ...notes,
    ...warnings.map((warning) => `warning: ${warning}`),
    `when done: holdfast discard ${source} ${instance}`,
  ]
}

const placeOf = ({ time = '', lsn = '', sequence }: Recovered['stoppedAt']) =>
  sequence === undefined ? `${time} ${lsn}` : `event ${sequence}`
