/** diff: what a restore would change, by a look that changes nothing and needs no Temporal. */
import { hostname } from 'node:os'
import { type Command, Option } from 'commander'
import type { Catalog } from '../../catalog/catalog.ts'
import { soundestOf } from '../../core/points.ts'
import { HoldfastError } from '../../core/errors.ts'
import { changeLines } from '../../drivers/difference.ts'
import type { Difference, RestoreChoice } from '../../drivers/driver.ts'
import { createSource } from '../../pipeline/read.ts'
import { again, type CommandContext, withServices } from '../context.ts'
import { comparePoints } from '../point-difference.ts'
import type { Action } from '../program.ts'

interface DiffOptions {
  part?: string[]
  mode?: RestoreChoice['mode']
}

export function addDiffCommand(program: Command, action: Action): void {
  program
    .command('diff <source> [point] [other]')
    .description(
      'what a restore of a point (the newest by default whose proof did not fail) over the live one would change; nothing is written. Run it where the live one is; with two points: what changed from the first to the second, from the repository alone',
    )
    .option('--part <name>', 'only this part of the point; again for more', again)
    .addOption(new Option('--mode <mode>', 'what becomes of what is there already, as of a restore').choices(['replace', 'upsert']))
    .action(
      action(async (context, source: string, point: string | undefined, other: string | undefined, { part, mode }: DiffOptions) => {
        if (point !== undefined && other !== undefined) return comparePoints(context, source, [point, other], { part, mode })
        const found = await differenceFor(context, source, point ?? 'latest', { ...(part && { parts: part }), ...(mode && { mode }) })
        context.output.result(found, lines(found))
      }),
    )
}

type Found = Difference & { source: string; id: string; host: string; warnings: string[] }

async function differenceFor(context: CommandContext, source: string, wanted: string, choice: RestoreChoice): Promise<Found> {
  return withServices(context, async (services, config) => {
    const configured = config.sources[source]
    if (!configured)
      throw new HoldfastError('NOT_FOUND', `no source "${source}"; there is ${Object.keys(config.sources).join(', ') || 'none'}`, {
        object: source,
      })
    const driver = await services.driver(source)
    if (!driver.diff)
      throw new HoldfastError('INPUT_INVALID', `a point of ${driver.kind} cannot be compared with what is live`, {
        object: source,
        next: 'restore it beside the live one and look',
      })
    const catalog = await services.catalog(configured.repository)
    const { id, warnings } = await choose(catalog, source, wanted)
    const { manifest } = await catalog.readManifest(source, id)
    const stopping = new AbortController()
    const stop = () => stopping.abort(new Error('stopped by Ctrl-C'))
    process.on('SIGINT', stop)
    try {
      const { signal } = stopping
      const artifacts = createSource({
        store: await services.store(configured.repository),
        identityFile: config.encryption.identityFile,
        headersOf: catalog.headers(),
        signal,
      })
      const found = await driver.diff(manifest, choice, { context: { signal, onProgress: () => {} }, source: artifacts })
      return { source, id, host: hostname(), warnings, ...found }
    } finally {
      process.off('SIGINT', stop)
    }
  })
}

async function choose(catalog: Catalog, source: string, wanted: string): Promise<{ id: string; warnings: string[] }> {
  if (wanted !== 'latest') return { id: wanted, warnings: [] }
  const found = soundestOf(await catalog.listPoints(source))
  if (found) return { id: found.id, warnings: found.warnings }
  throw new HoldfastError('NOT_FOUND', `${source} has no recovery point`, { object: source, next: `holdfast backup ${source}` })
}

function lines(found: Found): string[] {
  const { id, host, target, added, changed, removed, same, changes, warnings } = found
  const more = added + changed + removed - changes.length
  return [
    `${id} over ${target} on ${host}: ${added} added, ${changed} changed, ${removed} removed, ${same} the same`,
    ...changeLines(found),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...warnings.map((warning) => `warning: ${warning}`),
  ]
}
