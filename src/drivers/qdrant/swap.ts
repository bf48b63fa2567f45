/**
 * What was filled aside gets in its place: collections that aliases lead to by one change of all aliases, others by a second
 * recovery over the live one. Safe to repeat: what is aside of the latter is removed once its place is filled.
 */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { shellWord } from '../../core/shell.ts'
import type { Filling as LiveFilling, Swapped } from '../driver.ts'
import { deleteFile, forgetMark, tagOfRun } from './aside.ts'
import {
  type Alias,
  aliasesOf,
  changeAliases,
  collectionNames,
  exactCount,
  findCollection,
  selected,
  shardsOf,
  versionOf,
} from './collections.ts'
import { compareCollection } from './compare.ts'
import { type Filling, fillFromExport, fillFromSnapshots, sampleOf } from './fill.ts'
import { asidePrefix, decodePlan, fromExport, type Planned } from './plan.ts'
import { removeOwn, uploadName } from './scratch.ts'
import type { Server } from './server.ts'
import { expectedOf } from './verify.ts'
import { versionIn } from './versions.ts'
import type { Nodes, Work } from './work.ts'

interface Swapping {
  work: Work
  nodes: Nodes
  filling: Filling
  /** From the export, into what is there. */
  merge: boolean
  file: string
}

export async function swap(
  work: Work,
  nodes: Nodes,
  manifest: Manifest,
  oid: string | undefined,
  given: LiveFilling | undefined,
): Promise<Swapped> {
  if (!given)
    throw new HoldfastError('INPUT_INVALID', 'a swap reads the point again, and was given no source for it', { object: manifest.id })
  const plan = decodePlan(oid)
  const swapping: Swapping = {
    work,
    nodes,
    filling: { context: given.context, manifest, source: given.source },
    merge: fromExport(given.choice) && given.choice.into === undefined,
    file: uploadName(tagOfRun(manifest, given)),
  }
  const warnings: string[] = []
  const inPlace = plan.filter(({ aside, final }) => aside !== final)
  for (const planned of inPlace) {
    await putInPlace(swapping, planned)
    warnings.push(...(await problemsOf(swapping, planned)))
  }
  await switchAliases(nodes[0], plan)
  for (const { final } of plan) for (const node of nodes) await deleteFile(node, final, swapping.file)
  await forgetMark(nodes[0], asidePrefix(tagOfRun(manifest, given)))
  warnings.push(...notSelected(work, plan, await aliasesOf(nodes[0])))
  return said(swapping, plan, warnings)
}

async function putInPlace(swapping: Swapping, planned: Planned): Promise<void> {
  const { nodes, filling, merge, file } = swapping
  const [first] = nodes
  const { collection, aside, final } = planned
  const isAside = async () => aside === undefined || (await collectionNames(first)).includes(aside)
  // Its place is filled already.
  if (!(await isAside())) return
  if (merge) await fillFromExport(filling, collection, first, { name: final })
  else {
    const peers = await Promise.all(
      nodes.map(async (node) => ({ node, peer: nodes.length > 1 ? String((await shardsOf(node, final)).peer_id) : '' })),
    )
    await fillFromSnapshots(filling, collection, {
      name: final,
      file,
      serverOf: (peer) => peers.find((one) => one.peer === peer)?.node ?? first,
      async last() {
        // A try that was frozen meanwhile must not put the point over what was written since another one did.
        if (await isAside()) return
        throw new HoldfastError('CANCELLED', `another try has restored ${final}`, { object: final })
      },
    })
  }
  if (aside !== undefined) await removeOwn(first, aside, false)
}

/** What is in its place is compared once more; whoever writes already is no error. */
async function problemsOf({ work, nodes: [first], filling, merge }: Swapping, { collection, final }: Planned): Promise<string[]> {
  const { manifest, context } = filling
  if (merge) {
    const wanted = Number(expectedOf(manifest, collection, 'export')['points'])
    const count = await exactCount(first, final)
    return count >= wanted ? [] : [`${final} has ${count} points after ${wanted} were written`]
  }
  const compared = await compareCollection(first, {
    collection,
    name: final,
    expected: expectedOf(manifest, collection, 'snapshots'),
    sample: await sampleOf(filling, collection),
    depth: 'restore',
    sameVersion: (await versionOf(first)) === versionIn(manifest),
    batchSize: work.config.export.batchSize,
    onPoints: (points) => context.onProgress({ phase: `compare ${collection}`, parts: points }),
  })
  const red = compared.filter(({ ok }) => !ok)
  return red.map(
    ({ name, expected, actual }) => `${name}, restored: expected ${expected}, found ${actual}; somebody may write to it already`,
  )
}

/** From now on the next backups would be of what was replaced. */
function notSelected({ config }: Work, plan: readonly Planned[], aliases: readonly Alias[]): string[] {
  const finals = plan.map(({ final }) => final)
  const chosen = selected(config, finals, aliases)
  const missing = finals.filter((name) => !chosen.includes(name))
  return missing.map((name) => `collections of the source does not include ${name}, which is not backed up until it does`)
}

/** All of them in one request: everybody is led to the old collections, or to the new ones. */
async function switchAliases(server: Server, plan: readonly Planned[]): Promise<void> {
  const now = new Map((await aliasesOf(server)).map(({ alias_name, collection_name }) => [alias_name, collection_name]))
  const names = await collectionNames(server)
  const wanted = plan.flatMap(({ aliases, final }) => aliases.map((alias_name) => ({ alias_name, collection_name: final })))
  const changes = wanted.filter(({ alias_name, collection_name }) => now.get(alias_name) !== collection_name)
  const gone = changes.find(({ collection_name }) => !names.includes(collection_name))
  if (gone)
    throw new HoldfastError(
      'NOT_FOUND',
      `there is no collection ${gone.collection_name} to switch ${gone.alias_name} to, or another try made it`,
      {
        object: gone.collection_name,
        next: 'start the restore again',
      },
    )
  await changeAliases(
    server,
    changes.flatMap((create_alias) => [
      ...(now.has(create_alias.alias_name) ? [{ delete_alias: { alias_name: create_alias.alias_name } }] : []),
      { create_alias },
    ]),
  )
}

async function said({ nodes: [first] }: Swapping, plan: readonly Planned[], warnings: string[]): Promise<Swapped> {
  const switched = plan.filter(({ aside, final }) => aside === final)
  const kept = [...new Set(switched.flatMap((planned) => planned.kept))].sort()
  const there: string[] = []
  for (const name of kept) if (await findCollection(first, name)) there.push(name)
  const notes = [
    ...switched.map(({ collection, final, aliases }) =>
      aliases.length > 0
        ? `${aliases.join(', ')} ${aliases.length === 1 ? 'leads' : 'lead'} to ${final} now; whoever asks for ${collection} by that name gets what was there before`
        : `no alias leads to ${final}: ask for it by this name`,
    ),
    ...there.map(
      (name) =>
        `what was replaced is kept as ${name}; to end it: curl -X DELETE ${shellWord(`${first.url}/collections/${encodeURIComponent(name)}`)}`,
    ),
    ...(plan.length > switched.length ? ['what was replaced under its own name is in the safety backup'] : []),
  ]
  return {
    database: plan.map(({ final }) => final).join(', '),
    ...(there.length > 0 && { keptAs: there.join(', ') }),
    notes,
    ...(warnings.length > 0 && { warnings }),
  }
}
