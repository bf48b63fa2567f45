/** A restore over the cluster: filled and compared beside the first node's folder, then put in its place, and the others follow. */
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { startChain } from '../../process/chain.ts'
import { orCancelled } from '../common/cancelled.ts'
import { requireConfirmed } from '../common/confirm.ts'
import { partOf } from '../common/part.ts'
import type { ArtifactSource, DriverContext, LiveRestore, RestoreChoice, RestoreTarget } from '../driver.ts'
import { commandOf } from './cluster.ts'
import { differences, type Listed } from './listing.ts'
import { asideOf, doOn, freeOn, isThere, line, type Node, nodesOf, onNode, type Origin, unreachable } from './node.ts'
import { bytesOf } from './listing.ts'
import { filesOf, STATE, untarScript } from './parts.ts'
import { configBelow, layoutOf } from './places.ts'
import { requireNewArchive } from './history.ts'
import { provision } from './provision.ts'
import { stoppedAt, unplayable, untilOf } from './replay.ts'
import { listOn } from './stage.ts'
import { putBack, swap } from './swap.ts'
import { fetchRoute, routeTo } from './wal.ts'

export function createLive(origin: Origin): LiveRestore {
  return {
    fingerprint: () => fingerprintOf(origin),
    async check(manifest, confirm, choice) {
      requireServices(origin)
      await requireCluster(origin, manifest, confirm)
      if (choice?.to !== undefined) await routeTo(origin, { time: choice.to }, manifest)
      await requireNewArchive(origin, manifest)
      // A machine that is yet to be made has room.
      const [first] = nodesOf(origin.config)
      if (!origin.config.provision || (await unreachable(first)) === undefined)
        await requireSpace(await firstNode(origin), manifest.sizeBytes)
    },
    restoreAside: (context, manifest, source, place) => restoreAside(origin, context, manifest, source, place),
    swap: async (manifest, confirm, oid, filling) =>
      swap(origin, manifest, { confirm, made: oid ?? '', confirmed: () => requireCluster(origin, manifest, confirm) }, filling?.context),
    async removeAside(manifest) {
      await putBack(origin)
      for (const node of nodesOf(origin.config)) if ((await unreachable(node)) === undefined) await removeFilled(node, manifest)
    },
  }
}

/** Which data this is beyond doubt, whether the cluster runs or not: the folder of the first node by its number. */
async function fingerprintOf({ config: { nodes, folders, provision: hook } }: Origin): Promise<string> {
  const [first] = nodesOf({ nodes })
  if (hook && (await unreachable(first)) !== undefined) return `${first.name}:${first.dataDir}:absent`
  const raft = line(join(first.dataDir, folders.raft))
  const inode = (await doOn(first, `if [ -e ${raft} ]; then stat -c %i ${raft}; else echo absent; fi`)).trim()
  return `${first.name}:${first.dataDir}:${inode}`
}

async function requireCluster(origin: Origin, manifest: Manifest, confirm: string): Promise<void> {
  const target = `the cluster of ${Object.keys(origin.config.nodes).join(', ')} has`
  requireConfirmed(manifest, confirm, { fingerprint: await fingerprintOf(origin), target, meaning: 'this is the cluster to replace' })
}

/** A node that nobody can stop would take part with what it has. */
function requireServices({ config }: Origin): void {
  const lacking = nodesOf(config).filter(({ service }) => !service)
  if (lacking.length === 0) return
  throw new HoldfastError('SOURCE_UNFIT', `nobody said how ${lacking.map(({ name }) => name).join(', ')} is stopped and started`, {
    object: lacking[0]?.name ?? '',
    next: `give nodes.${lacking[0]?.name}.service its stop and start, like [ssh, ${lacking[0]?.name}, systemctl, stop, neumann]`,
  })
}

async function firstNode({ config }: Origin): Promise<Node> {
  const [first] = nodesOf(config)
  const why = await unreachable(first)
  if (why === undefined) return first
  throw new HoldfastError('SOURCE_UNREACHABLE', `the files of ${first.name} cannot be reached: ${why}`, {
    object: first.name,
    next: `correct nodes.${first.name}.shell, or let another node be the first of nodes`,
  })
}

async function requireSpace(node: Node, need: number): Promise<void> {
  const free = await freeOn(node)
  if (free >= need) return
  throw new HoldfastError('SPACE_SHORT', `${node.name} has ${free} bytes free beside ${node.dataDir}; the restore needs ${need}`, {
    object: node.name,
    next: 'free room there, or name another asideDir on the same file system',
  })
}

const filledPrefix = ({ id }: Manifest): string => `restore-${id}-`

async function removeFilled(node: Node, manifest: Manifest): Promise<void> {
  const begin = asideOf(node, filledPrefix(manifest))
  await doOn(
    node,
    `if [ -d ${line(dirname(begin))} ]; then ${line('find', dirname(begin), '-mindepth', '1', '-maxdepth', '1', '-name', `${basename(begin)}*`)} -exec rm -rf -- {} +; fi`,
  )
}

async function restoreAside(
  origin: Origin,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  given?: { dir: string; choice: RestoreChoice },
): Promise<{ database: string; oid: string; bytes: number }> {
  const { signal } = context
  await provision(origin, context, manifest, source)
  const node = await firstNode(origin)
  await removeFilled(node, manifest)
  const files = await filesOf(manifest, source)
  await requireSpace(node, bytesOf(files))
  // A name of this try's own: an earlier one that was frozen and thaws goes on writing to a folder that has gone.
  const folder = asideOf(node, `${filledPrefix(manifest)}${crypto.randomUUID().slice(0, 8)}`)
  try {
    await fill(origin, context, manifest, source, { node, folder, files })
    if (given?.choice.to !== undefined)
      await replayOn(origin, context, manifest, { node, folder, dir: given.dir, to: { time: given.choice.to } })
    await giveOwner(origin, node, folder, signal)
    await doOn(node, line('sync', '-f', folder), { signal })
    return { database: manifest.source, oid: `${node.name}/${basename(folder)}`, bytes: bytesOf(files) }
  } catch (error) {
    await removeFilled(node, manifest)
    throw orCancelled(error, signal, `the restore on ${node.name}`, folder)
  }
}

interface Place {
  node: Node
  folder: string
  files: readonly Listed[]
}

async function fill(
  origin: Origin,
  { signal, onProgress }: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  place: Place,
): Promise<void> {
  const { config } = origin
  const { node, folder, files } = place
  const unpacked = join(folder, 'unpacked')
  onProgress({ phase: `fill ${node.name}`, bytes: 0, totalBytes: bytesOf(files) })
  await doOn(node, `${line('mkdir', '-p', unpacked)}; ${line('chmod', '700', folder)}`, { signal })
  await source.feed(partOf(manifest, STATE), onNode(node, `set -e; ${untarScript(unpacked)}`))
  const wrong = differences(files, await listOn(node, unpacked, signal))
  if (wrong.length > 0) throw unequal(manifest, node, wrong.join('; '))
  for (const [part, below] of Object.entries(layoutOf(config))) {
    const to = join(folder, below)
    await doOn(
      node,
      `${line('mkdir', '-p', dirname(to))}; if [ -e ${line(join(unpacked, part))} ]; then ${line('mv', '-T', join(unpacked, part), to)}; fi`,
      { signal },
    )
  }
  await doOn(node, line('rm', '-rf', unpacked), { signal })
  const inside = configBelow(config)
  if (inside !== undefined && (await isThere(node, node.configDir, signal)))
    await doOn(
      node,
      `${line('mkdir', '-p', dirname(join(folder, inside)))}; ${line('cp', '-a', '-T', node.configDir, join(folder, inside))}`,
      { signal },
    )
  onProgress({ phase: `check on ${node.name}` })
  const { program, args } = commandOf(config, 'verifyChecksums', { dataDir: folder })
  await doOn(node, line(program, ...args), { signal }).catch((error: unknown) => {
    if (signal.aborted || !(error instanceof HoldfastError) || error.code !== 'PROCESS_FAILED') throw error
    throw unequal(manifest, node, error.message)
  })
}

/** The segments go to where the folder is; the replay works on it as on a node that does not run. */
async function replayOn(
  origin: Origin,
  context: DriverContext,
  manifest: Manifest,
  { node, folder, dir, to }: Pick<Place, 'node' | 'folder'> & { dir: string; to: RestoreTarget },
): Promise<void> {
  const { signal } = context
  const route = await routeTo(origin, to, manifest)
  const here = join(dir, 'wal')
  const there = `${folder}-wal`
  try {
    await rm(here, { recursive: true, force: true })
    await fetchRoute(route, here, context)
    context.onProgress({ phase: `replay on ${node.name}` })
    await doOn(node, line('mkdir', '-p', there), { signal })
    const chain = startChain(
      [{ program: 'tar', args: ['--create', '--file=-', `--directory=${here}`, '.'] }, onNode(node, `set -e; ${untarScript(there)}`)],
      { signal },
    )
    chain.stdout.resume()
    await chain.done
    const { program, args } = commandOf(origin.config, 'walReplay', { dataDir: folder, walDir: there, until: untilOf(to) })
    const said = await doOn(node, line(program, ...args), { signal }).catch((error: unknown) => {
      throw unplayable(error, route, signal)
    })
    stoppedAt(said, to, manifest, route)
  } finally {
    await rm(dir, { recursive: true, force: true })
    await doOn(node, line('rm', '-rf', '--', there))
  }
}

function unequal({ source, id }: Manifest, node: Node, what: string): HoldfastError {
  return new HoldfastError('VERIFY_FAILED', `what was filled on ${node.name} is not what was captured: ${what}`, {
    object: `${source}/${id}`,
    next: `holdfast verify ${source} ${id}; if that fails choose another recovery point, and look at the disk of ${node.name}`,
  })
}

/** To whom the source names; else to whoever has the data folder now. Only root can give. */
async function giveOwner({ config: { owner } }: Origin, node: Node, folder: string, signal: AbortSignal): Promise<void> {
  const to = owner === undefined ? line(`--reference=${node.dataDir}`) : line(owner)
  const give = `${line('chown', '-R')} ${to} ${line('--', folder)}`
  await doOn(node, owner === undefined ? `if [ "$(id -u)" = 0 ] && [ -e ${line(node.dataDir)} ]; then ${give}; fi` : give, { signal })
}
