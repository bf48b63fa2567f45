/** Snapshots that lie on the nodes: those go that are old enough and whose content is in a good recovery point; never the newest. */
import { seconds } from '../../core/duration.ts'
import type { Manifest } from '../../core/records.ts'
import type { DriverContext, SnapshotExpiry, SnapshotKeeping } from '../driver.ts'
import { digestOf, listingScript, readListing } from './listing.ts'
import { doOn, line, type Node, nodesOf, type Origin, unreachable } from './node.ts'
import { fact } from './parts.ts'

export async function expireSnapshots(
  { config }: Origin,
  { signal, onProgress }: DriverContext,
  { keep, good, dryRun }: SnapshotKeeping,
): Promise<SnapshotExpiry> {
  const proved = new Set(good.map((manifest) => contentOf(manifest)))
  const found: SnapshotExpiry = { removed: 0, unproved: 0 }
  for (const node of nodesOf(config)) {
    onProgress({ phase: `snapshots on ${node.name}` })
    // Left to the next time: the cluster may well run without it.
    if ((await unreachable(node, signal)) !== undefined) continue
    const folder = `${node.dataDir}/${config.folders.snapshots}`
    for (const name of await oldOn(node, folder, seconds(keep), signal)) {
      const files = readListing(await doOn(node, listingScript(folder, name), { signal }))
      const isProved = proved.has(digestOf(files))
      if (!isProved) found.unproved += 1
      else if (!dryRun) await doOn(node, line('rm', '-rf', '--', `${folder}/${name}`), { signal })
      if (isProved) found.removed += 1
    }
  }
  return found
}

/** The content of the snapshot alone, by the digest that a listing of it has. */
const contentOf = (manifest: Manifest) => fact(manifest, 'snapshot', 'sha256')

async function oldOn(node: Node, folder: string, keepSeconds: number, signal: AbortSignal): Promise<string[]> {
  const said = await doOn(
    node,
    `if [ -d ${line(folder)} ]; then date +%s; ${line('find', folder, '-mindepth', '1', '-maxdepth', '1', '-printf', '%T@ %f\\n')}; fi`,
    { signal },
  )
  const [now = '0', ...lines] = said.split('\n').filter((text) => text !== '')
  const all = lines.map((text) => ({ at: Number(text.slice(0, text.indexOf(' '))), name: text.slice(text.indexOf(' ') + 1) }))
  // By its name or by its time: the node starts with it, and without it not at all.
  const newest = [
    all
      .map(({ name }) => name)
      .sort()
      .at(-1),
    [...all].sort((a, b) => a.at - b.at).at(-1)?.name,
  ]
  return all.filter(({ at, name }) => Number(now) - at > keepSeconds && !newest.includes(name)).map(({ name }) => name)
}
