/** rotate-keys and check-keys: for whom what is stored can be read; new-signing-key: by whom it is written. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { generateSigningKey } from '../../catalog/signing.ts'
import { loadConfig } from '../../config/load.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { CommandContext } from '../context.ts'
import { writeNew } from '../init.ts'
import type { Action } from '../program.ts'
import { runWorkflow } from '../runs.ts'

interface Rotated {
  sources: {
    source: string
    recipients: string[]
    points: number
    rotated: number
    former: Record<string, number>
  }[]
}
interface Oldest {
  point?: string
  part?: string
  looked?: 'whole' | 'beginning'
  /** Passed over: they would have to be thawed. */
  archived?: number
}
interface Checked {
  sources: ({ source: string; copies?: ({ repository: string } & Oldest)[] } & Oldest)[]
}

export function addKeyCommands(program: Command, action: Action): void {
  program
    .command('rotate-keys [source]')
    .description('make the points of one source, or of all, readable for the recipients that are configured now; no data is moved')
    .option('--dry-run', 'say how many points are not, and change nothing', false)
    .option('--thaw', 'ask an archive for the points that are in one, and wait until they can be read', false)
    .option('--detach', 'do not wait: print the id of the run', false)
    .action(action(rotate))
  program
    .command('new-signing-key <file>')
    .description('make another key to sign with, and say what becomes of it in the configuration; overwrites nothing')
    .requiredOption('--id <name>', 'what it is called from now on, like key-2027; no key before it had that name')
    .action(action(newSigningKey))
  program
    .command('check-keys [source]')
    .description('open the oldest point of one source, or of all, by a worker that has an identity; fails where one does not open')
    .action(
      action(async (context, source: string | undefined) => {
        const { result } = await runWorkflow<Checked>(context, 'checkKeys', { source })
        context.output.result(result, result?.sources.flatMap(checkedLines) ?? [])
      }),
    )
}

/** It stands in YAML, in every record that the key signs, and before the "=" of --public-key; ids that are in use may be any. */
const KEY_ID = /^[A-Za-z][A-Za-z0-9._-]{0,62}$/

async function newSigningKey(context: CommandContext, path: string, { id }: { id: string }): Promise<void> {
  if (!KEY_ID.test(id))
    throw new HoldfastError(
      'INPUT_INVALID',
      `${JSON.stringify(id)} cannot be the id of a key, which begins with a letter and goes on with letters, digits, ".", "_" and "-", 63 at most`,
      {
        object: '--id',
        next: 'give one like key-2027',
      },
    )
  const { signing } = await loadConfig(context.options.config)
  if (Object.hasOwn(signing.publicKeys, id))
    throw new HoldfastError(
      'INPUT_INVALID',
      `signing.publicKeys has a key "${id}" already: what that one signed would not be trusted any more`,
      {
        object: id,
        next: 'give the new key an id of its own',
      },
    )
  const file = resolve(path)
  const { privateKeyPem, publicKey } = generateSigningKey()
  await writeNew(file, privateKeyPem, 0o600)
  context.output.result({ file, keyId: id, publicKey }, [
    `wrote ${file}, readable by you only`,
    `first, on every machine, beside the keys that are there: signing.publicKeys.${id}: ${JSON.stringify(publicKey)}`,
    `then, where it signs: signing.keyId: ${id}, signing.privateKeyFile: ${file}`,
  ])
}

async function rotate(
  context: CommandContext,
  source: string | undefined,
  { dryRun, thaw, detach }: { dryRun: boolean; thaw: boolean; detach: boolean },
): Promise<void> {
  const { workflowId, result } = await runWorkflow<Rotated>(context, 'rotateKeys', { source, dryRun, ...(thaw && { thaw }) }, { detach })
  context.output.result(result ?? { workflowId }, result ? rotatedLines(result, dryRun) : [workflowId])
}

function rotatedLines({ sources }: Rotated, dryRun: boolean): string[] {
  return sources.flatMap(({ source, recipients, points, rotated, former }) => [
    `${source}: ${rotated} of ${points} points ${dryRun ? 'would be made' : 'made'} readable for ${recipients.join(', ')}`,
    ...Object.entries(former).map(
      ([one, count]) => `  ${one} is no recipient any more and still opens ${count} of them, until they are deleted`,
    ),
  ])
}

function checkedLines({ source, copies = [], ...own }: Checked['sources'][number]): string[] {
  return [`${source}: ${oldestLine(own)}`, ...copies.map(({ repository, ...there }) => `${source} in ${repository}: ${oldestLine(there)}`)]
}

function oldestLine({ point, part, looked, archived }: Oldest): string {
  const passed = archived === undefined ? '' : `; ${archived} points in an archive class were not looked at`
  if (point === undefined) return `no point ${archived === undefined ? '' : 'that can be read '}has anything encrypted${passed}`
  return `${point} opens (${part}, ${looked === 'whole' ? 'read whole' : 'its beginning'})${passed}`
}
