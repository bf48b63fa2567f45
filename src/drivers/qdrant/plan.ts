/** What a restore over a live server does with each collection: decided once, before anything is touched, and kept to. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { RestoreChoice } from '../driver.ts'
import { type Alias, OWN } from './collections.ts'
import { artifactsOf, wantedOf } from './parts.ts'

export interface Planned {
  /** As it is called in the point. */
  collection: string
  /** The name under which it is filled and compared; none on a cluster, where snapshots fit in their old places only. */
  aside?: string
  /** The name that it has in the end: that of `aside`, where aliases are switched; else its own, which is filled again. */
  final: string
  /** Those that lead to it in the end, and what they lead to until then. */
  aliases: string[]
  kept: string[]
}

export interface Planning {
  manifest: Manifest
  choice: RestoreChoice
  /** Of the run, and of this try. */
  tag: string
  attempt: string
  /** On the live server. */
  collections: readonly string[]
  aliases: readonly Alias[]
  /** Every alias of the point. */
  recorded: readonly Alias[]
  cluster: boolean
}

export const fromExport = ({ mode }: RestoreChoice): boolean => mode === 'upsert'

/** Names of what is filled to be compared only, and of what will stay. */
export const asidePrefix = (tag: string): string => `${OWN}aside_${tag}`
export const restoredMark = (tag: string): string => `_restored_${tag}`

export function planOf(planning: Planning): Planned[] {
  const { manifest, choice } = planning
  return wantedOf(manifest, choice).map((collection) => planOne(planning, collection))
}

function planOne({ manifest, choice, tag, attempt, collections, aliases: live, recorded, cluster }: Planning, collection: string): Planned {
  const leading = (all: readonly Alias[]) =>
    all.filter(({ collection_name }) => collection_name === collection).map(({ alias_name }) => alias_name)
  const aliases = [...new Set([...leading(recorded), ...leading(live)])].sort()
  const targets = live.filter(({ alias_name }) => aliases.includes(alias_name)).map(({ collection_name }) => collection_name)
  const { into } = choice
  // Whoever asks for an alias does not see under which name the collection is.
  const switched =
    into ??
    (aliased(collection, targets, collections) && !fromExport(choice) && !cluster
      ? `${collection}${restoredMark(tag)}${attempt}`
      : undefined)
  if (switched !== undefined)
    return { collection, aside: switched, final: switched, aliases, kept: [...new Set(targets)].filter((name) => name !== switched).sort() }
  const alone = cluster && !fromExport(choice) && artifactsOf(manifest, collection, 'snapshot').length > 0
  return { collection, ...(!alone && { aside: `${asidePrefix(tag)}${attempt}_${collection}` }), final: collection, aliases, kept: [] }
}

const aliased = (collection: string, targets: readonly string[], collections: readonly string[]): boolean =>
  targets.length > 0 && collections.includes(collection)

/** What `swap` is given of it. */
export const encodePlan = (plan: readonly Planned[]): string => JSON.stringify(plan)

export function decodePlan(oid: string | undefined): Planned[] {
  if (oid !== undefined) return JSON.parse(oid) as Planned[]
  throw new HoldfastError('INPUT_INVALID', 'nothing was restored aside that could be put in its place', { object: 'oid' })
}
