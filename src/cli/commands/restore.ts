/** restore and pitr: bringing data back, beside the live database or in its place. */
import type { Command } from 'commander'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'
import { restoreOffline } from '../offline.ts'
import { EXIT, HoldfastError } from '../../core/errors.ts'

interface Restored { id: string; target: string; connection?: string; instance?: string; safetyBackup?: string; keptAs?: string }
interface Recovered {
  instance: string; base: string; connection: string; seconds: number
  stoppedAt: { lsn?: string; time?: string; timeline?: number }
  tables: { name: string; rows: number; copyBack: string }[]
}
interface RestoreOptions { live: boolean; confirm?: string; by: string; offline: boolean; repository?: string; identity?: string; publicKey?: string[]; into?: string }

export function addRestoreCommands(program: Command, action: Action): void {
  program.command('restore <source> [point]').description('restore a recovery point beside the live database, or over it with --live')
    .option('--live', 'replace the live database', false).option('--confirm <fingerprint>', 'fingerprint of the live database that is replaced')
    .option('--by <name>', 'who asks', process.env['USER'] ?? 'unknown')
    .option('--offline', 'without Temporal and without a configuration: from a bare repository and a key', false)
    .option('--repository <url>', 'with --offline: folder:/path or s3://bucket/prefix').option('--identity <file>', 'with --offline: age identity')
    .option('--public-key <id=base64...>', 'with --offline: the keys that may have signed it').option('--into <folder>', 'with --offline: new folder to restore into')
    .action(action(async (context, source: string, point: string | undefined, o: RestoreOptions) => {
      if (o.offline) {
        const { repository, identity, into } = o
        if (!repository || !identity || !into) throw new HoldfastError('INPUT_INVALID', '--offline needs --repository, --identity and --into', { next: `holdfast restore --offline --repository folder:/backups --identity key.txt --into /srv/restored ${source}` })
        const done = await restoreOffline({ source, point: point ?? 'latest', repository, identityFile: identity, into, publicKeys: o.publicKey ?? [] })
        for (const warning of done.warnings) context.output.note(`warning: ${warning}`)
        context.output.result(done, [`restored ${done.id}`, ...done.files.map((file) => `  ${file}`), ...done.next])
        return done.warnings.length > 0 ? EXIT.degraded : EXIT.ok
      }
      const { result } = await runWorkflow<Restored>(context, 'restore', { source, recoveryPoint: point ?? 'latest', target: o.live ? 'live' : 'beside', confirm: o.confirm, requestedBy: o.by })
      context.output.result(result, [
        `restored ${result?.id} ${o.live ? 'over the live database' : 'beside the live database'}`, result?.connection && `connect: psql "${result.connection}"`,
        result?.safetyBackup && `safety backup ${result.safetyBackup}`, result?.keptAs && `what was replaced is kept as ${result.keptAs}`,
        !o.live && result?.instance ? `when done: holdfast discard ${source} ${result.instance}` : undefined,
      ])
      return EXIT.ok
    }))

  program.command('pitr <source>').description('recover to a point in time, beside the live database')
    .option('--time <time>', 'with its offset, like 2026-01-15T12:00:00Z').option('--lsn <lsn>').option('--xid <xid>').option('--name <name>', 'a restore point').option('--latest', 'the end of the archive')
    .option('--timeline <number>', 'where more than one branch holds the target', Number).option('--table <name...>', 'tables to count and to give copy commands for')
    .action(action(async (context, source: string, o: { time?: string; lsn?: string; xid?: string; name?: string; latest?: true; timeline?: number; table?: string[] }) => {
      const { table, ...target } = o
      const { result } = await runWorkflow<Recovered>(context, 'pointInTimeRecovery', { source, target, tables: table })
      context.output.result(result, result ? [
        `recovered from ${result.base} to ${result.stoppedAt.time ?? ''} ${result.stoppedAt.lsn ?? ''} in ${result.seconds.toFixed(1)} s`, `connect: psql "${result.connection}"`,
        ...result.tables.flatMap((t) => [`${t.name}: ${t.rows} rows; copy back with:`, `  ${t.copyBack}`]), `when done: holdfast discard ${source} ${result.instance}`,
      ] : [])
    }))

  program.command('discard <source> <instance>').description('stop and remove an instance that a recovery left beside the live one')
    .action(action(async (context, source: string, instance: string) => {
      const { result } = await runWorkflow(context, 'discardInstance', { source, instance })
      context.output.result(result, [`discarded ${instance}`])
    }))
}
