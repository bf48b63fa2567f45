/** diff: what a restore would change, by a look that changes nothing and needs no Temporal. */
import { hostname } from 'node:os'
import { type Command, Option } from 'commander'
import type { Catalog } from '../../catalog/catalog.ts'
import { sourceOf } from '../../config/named.ts'
import { type Choice, soundestOf } from '../../core/points.ts'
import { HoldfastError } from '../../core/errors.ts'
import { changeLines } from '../../drivers/difference.ts'
import type { Difference, RestoreChoice } from '../../drivers/driver.ts'
import { createSource } from '../../pipeline/read.ts'
import { again, type CommandContext, withServices } from '../context.ts'
import { fromPlaces } from '../from-places.ts'
import { comparePoints } from '../point-difference.ts'
import type { Action } from '../program.ts'

type DiffOptions = {
  part?: string[]
  mode?: RestoreChoice['mode']
  repository?: string
}

export function addDiffCommand(program: Command, action: Action): void {
  program
    .command('diff <source> [point] [other]')
    .description(
      'what a restore of a point (the newest by default whose proof did not fail) over the live one would change; nothing is written. Run it where the live one is; with two points: what changed from the first to the second, from the repository alone',
    )
    .option('--part <name>', 'only this part of the point; again for more', again)
    .addOption(new Option('--mode <mode>', 'what becomes of what is there already, as of a restore').choices(['replace', 'upsert']))
    .option('--repository <name>', 'by the copies in this repository of the configuration')
    .action(
      action(async (context, source: string, point: string | undefined, other: string | undefined, o: DiffOptions) => {
        const { part, mode, repository } = o
        if (point !== undefined && other !== undefined) return comparePoints(context, source, [point, other], o)
        const choice = { ...(part && { parts: part }), ...(mode && { mode }) }
        const found = await differenceFor(context, { source, wanted: point ?? 'latest', repository }, choice)
        context.output.result(found, lines(found))
      }),
    )
}

interface Wanted {
  source: string
  /** An id, or latest. */
  wanted: string
  repository: string | undefined
}

type Found = Difference & { source: string; id: string; repository: string; host: string; warnings: string[] }

async function differenceFor(context: CommandContext, { source, wanted, repository }: Wanted, choice: RestoreChoice): Promise<Found> {
  return withServices(context, async (services, config) => {
    sourceOf(config, source)
    const driver = await services.driver(source)
    if (!driver.diff)
      throw new HoldfastError('INPUT_INVALID', `a point of ${driver.kind} cannot be compared with what is live`, {
        object: source,
        next: 'restore it beside the live one and look',
      })
    const stopping = new AbortController()
    const stop = () => stopping.abort(new Error('stopped by Ctrl-C'))
    process.on('SIGINT', stop)
    let chosen: Choice | undefined
    try {
      const { signal } = stopping
      const looked = await fromPlaces(services, config, { source, repository }, async (place) => {
        // The same point, where the first repository said which one is the newest.
        chosen ??= await choose(place.catalog, source, wanted)
        const { manifest } = await place.catalog.readManifest(source, chosen.id)
        const artifacts = createSource({
          store: await services.store(place.repository),
          identityFile: config.encryption.identityFile,
          headersOf: place.catalog.headers(),
          signal,
        })
        const found = await driver.diff?.(manifest, choice, { context: { signal, onProgress: () => {} }, source: artifacts })
        return { ...(found as Difference), id: manifest.id }
      })
      const warnings = [...(chosen?.warnings ?? []), ...looked.warnings]
      return { source, repository: looked.repository, host: hostname(), ...looked.found, warnings }
    } finally {
      process.off('SIGINT', stop)
    }
  })
}

async function choose(catalog: Catalog, source: string, wanted: string): Promise<Choice> {
  if (wanted !== 'latest') return { id: wanted, warnings: [] }
  const found = soundestOf(await catalog.listPoints(source))
  if (found) return found
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
