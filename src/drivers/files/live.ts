/** A restore in the place of a live tree: filled in beside it, compared, then put there. */
import { dirname } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { Difference, LiveRestore, Looking, RestoreChoice } from '../driver.ts'
import { fillAside, removeAside } from './aside.ts'
import type { FilesSourceConfig } from './config.ts'
import { requireFolder } from './confirm.ts'
import { differenceOf } from './difference.ts'
import { indexOf, type Point } from './fill.ts'
import { picksOf } from './picks.ts'
import { selectionOf } from './selection.ts'
import { requireSpace } from './space.ts'
import { type Goal, modeOf, swapIn } from './swap.ts'
import { fingerprintOf, placeOf } from './target.ts'

const goalOf = (config: FilesSourceConfig): Goal => ({ root: config.root, selection: selectionOf(config) })

export function createLive(config: FilesSourceConfig): LiveRestore {
  return {
    fingerprint: async () => fingerprintOf(await placeOf(config.root)),
    async check(manifest, confirm, choice = {}, looking) {
      refuseInto(choice)
      const place = await placeOf(config.root)
      await requireFolder(place, manifest, confirm, looking && (() => diff(config, manifest, choice, looking)))
      await requireSpace(place.inside ? place.root : dirname(place.root), manifest)
    },
    async restoreAside(context, manifest, source, { choice = {} } = { dir: '', choice: {} }) {
      const place = await placeOf(config.root)
      const { token } = await fillAside({ manifest, source, gpg: config.gpg, context }, place, choice)
      return { database: place.root, oid: token, bytes: manifest.sizeBytes }
    },
    swap: (manifest, confirm, oid, filling) =>
      swapIn(goalOf(config), manifest, { confirm, ...(oid !== undefined && { token: oid }) }, filling),
    removeAside: async (manifest) => removeAside(await placeOf(config.root), manifest.id),
  }
}

/** What the restore would change; the live tree is only read. */
export async function diff(
  config: FilesSourceConfig,
  manifest: Manifest,
  choice: RestoreChoice,
  { context, source }: Looking,
): Promise<Difference> {
  const point: Point = { manifest, source, gpg: config.gpg, context }
  const { root } = await placeOf(config.root)
  const picks = await picksOf(choice.parts, () => indexOf(point))
  const selection = selectionOf(config)
  const found = await differenceOf({ root, selection, picks, entries: indexOf(point) }, root)
  return modeOf(choice) === 'replace'
    ? found
    : { ...found, removed: 0, changes: found.changes.filter(({ change }) => change !== 'removed') }
}

function refuseInto({ into }: RestoreChoice): void {
  if (into !== undefined)
    throw new HoldfastError('INPUT_INVALID', `into (${into}) has no meaning for a restore over the live tree`, {
      object: into,
      next: 'leave into out, or restore beside the live tree',
    })
}
