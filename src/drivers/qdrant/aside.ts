/** What will take the place: filled beside the live collections on the same server, and compared before anything is replaced. */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import type { RestoreChoice } from '../driver.ts'
import { aliasesOf, allAliases, changeAliases, collectionNames, deleteSnapshot, listSnapshots, OWN, versionOf } from './collections.ts'
import { compareCollection } from './compare.ts'
import { type Filling, fillFromExport, fillFromSnapshots, recordedAliases, sampleOf } from './fill.ts'
import { collectionsIn, wantedOf } from './parts.ts'
import { asidePrefix, encodePlan, fromExport, type Planned, planOf, restoredMark } from './plan.ts'
import { removeOwn, tagOf, uploadName } from './scratch.ts'
import type { Server } from './server.ts'
import { expectedOf } from './verify.ts'
import { versionIn } from './versions.ts'
import { type Work, withNodes } from './work.ts'

interface Place {
  dir: string
  choice: RestoreChoice
}

/** Of a run: each has a folder of its own. */
export const tagOfRun = (manifest: Manifest, place: Pick<Place, 'dir'> | undefined): string => tagOf(manifest.id, place?.dir ?? '')

export async function restoreAside(work: Work, filling: Filling, place?: Place): Promise<{ database: string; oid: string; bytes: number }> {
  const { context, manifest } = filling
  const choice = place?.choice ?? {}
  const tag = tagOfRun(manifest, place)
  await removeAsides(work, manifest, place)
  return withNodes(work, context.signal, async (nodes) => {
    const [first] = nodes
    const plan = planOf({
      manifest,
      choice,
      tag,
      // An earlier try that was frozen and thaws goes on filling names of its own.
      attempt: crypto.randomUUID().slice(0, 4),
      collections: await collectionNames(first),
      aliases: await aliasesOf(first),
      recorded: await recordedAliases(filling, collectionsIn(manifest)),
      cluster: nodes.length > 1,
    })
    await requireFree(first, plan)
    try {
      for (const planned of plan) await fillAndCompare(work, first, filling, { planned, tag, choice })
    } catch (error) {
      await withNodes(work, undefined, async ([server]) => {
        for (const { aside } of plan) if (aside !== undefined) await removeOwn(server, aside, !fromExport(choice))
      }).catch(() => {})
      throw error
    }
    return { database: plan.map(({ final }) => final).join(', '), oid: encodePlan(plan), bytes: manifest.sizeBytes }
  })
}

/** Names of one's own choice may have come up meanwhile; an alias with the name of a collection cannot be made. */
async function requireFree(server: Server, plan: readonly Planned[]): Promise<void> {
  const names = await collectionNames(server)
  const taken = plan
    .flatMap(({ aside, aliases }) => [...(aside === undefined ? [] : [aside]), ...aliases])
    .find((name) => names.includes(name))
  if (taken === undefined) return
  throw new HoldfastError('SOURCE_UNFIT', `there is a collection ${taken} already`, {
    object: taken,
    next: 'look who made it; restore into another name, or delete it first',
  })
}

interface One {
  planned: Planned
  tag: string
  choice: RestoreChoice
}

async function fillAndCompare(work: Work, server: Server, filling: Filling, { planned, tag, choice }: One): Promise<void> {
  const { collection, aside: name } = planned
  const { manifest, context } = filling
  if (name === undefined) return
  const from = fromExport(choice) ? 'export' : 'snapshots'
  // An alias of ours tells whose it is, where its name is the operator's choice.
  const made = () => changeAliases(server, [{ create_alias: { collection_name: name, alias_name: asidePrefix(tag) } }])
  if (from === 'export') await fillFromExport(filling, collection, server, { name, ...(name === choice.into && { made }) })
  else await fillFromSnapshots(filling, collection, { name, file: uploadName(tag), serverOf: () => server })
  const assertions = await compareCollection(server, {
    collection,
    name,
    expected: expectedOf(manifest, collection, from),
    sample: from === 'export' ? [] : await sampleOf(filling, collection),
    depth: 'full',
    sameVersion: (await versionOf(server)) === versionIn(manifest),
    batchSize: work.config.export.batchSize,
    onPoints: (points) => context.onProgress({ phase: `compare ${collection}`, parts: points }),
  })
  const red = assertions.filter(({ ok }) => !ok)
  if (red.length === 0) return
  throw new HoldfastError('VERIFY_FAILED', red.map((one) => `${one.name}: expected ${one.expected}, found ${one.actual}`).join('; '), {
    object: `${manifest.source}/${manifest.id}`,
    next: `nothing was replaced; holdfast verify ${manifest.source} ${manifest.id}`,
  })
}

/** What this run made and nobody is led to; after a swap there is nothing of that any more. */
export async function removeAsides(work: Work, manifest: Manifest, place?: Place): Promise<void> {
  const tag = tagOfRun(manifest, place)
  const choice = place?.choice ?? {}
  const file = uploadName(tag)
  await withNodes(work, undefined, async (nodes) => {
    const [first] = nodes
    const aliases = await allAliases(first)
    const marked = aliases.filter(({ alias_name }) => alias_name === asidePrefix(tag)).map(({ collection_name }) => collection_name)
    const used = new Set(aliases.filter(({ alias_name }) => !alias_name.startsWith(OWN)).map(({ collection_name }) => collection_name))
    const names = await collectionNames(first)
    const named = (name: string) => name.startsWith(asidePrefix(tag)) || name.includes(restoredMark(tag))
    // A name of the operator's choice is known to be ours by the alias, or by the file that was uploaded to it.
    const chosen =
      choice.into !== undefined && names.includes(choice.into) && (await holdsFile(first, choice.into, file)) ? [choice.into] : []
    for (const name of new Set([...names.filter(named), ...marked, ...chosen])) if (!used.has(name)) await removeOwn(first, name, false)
    for (const name of wantedOf(manifest, choice).filter((one) => names.includes(one)))
      for (const node of nodes) await deleteFile(node, name, file)
  })
}

const holdsFile = async (server: Server, collection: string, file: string): Promise<boolean> =>
  (await listSnapshots(server, collection)).some(({ name }) => name === file)

/** The uploaded snapshot, that the server keeps. */
export async function deleteFile(server: Server, collection: string, file: string): Promise<void> {
  if (await holdsFile(server, collection, file)) await deleteSnapshot(server, collection, file)
}

export async function forgetMark(server: Server, alias_name: string): Promise<void> {
  const marked = (await allAliases(server)).some((alias) => alias.alias_name === alias_name)
  if (marked) await changeAliases(server, [{ delete_alias: { alias_name } }])
}
