/** Machines that are new: made ready by a hook of the user's, given the configuration of the point with the addresses of now. */
import { dirname } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { run } from '../../process/run.ts'
import { partOf } from '../common/part.ts'
import type { ArtifactSource, DriverContext } from '../driver.ts'
import { filled } from './cluster.ts'
import { asideOf, doOn, isThere, line, type Node, nodesOf, onNode, type Origin, unreachable } from './node.ts'
import { configPart, fact, untarScript } from './parts.ts'

const HOOK_MS = 3 * 3_600_000

/** After it the files of every node can be reached, and each has its configuration. What is there already stays as it is. */
export async function provision(origin: Origin, context: DriverContext, manifest: Manifest, source: ArtifactSource): Promise<void> {
  const { config } = origin
  const { signal, onProgress } = context
  for (const node of nodesOf(config)) {
    if (config.provision && ((await unreachable(node, signal)) !== undefined || !(await isThere(node, node.dataDir, signal)))) {
      onProgress({ phase: `provision ${node.name}` })
      const [program = '', ...args] = config.provision.map((word) =>
        filled(word, { node: node.name, addr: node.addr, dataDir: node.dataDir }),
      )
      await run({ program, args }, { signal, timeoutMs: HOOK_MS })
    }
    const why = await unreachable(node, signal)
    if (why !== undefined)
      throw new HoldfastError('SOURCE_UNREACHABLE', `the files of ${node.name} cannot be reached: ${why}`, {
        object: node.name,
        next: `correct nodes.${node.name}.shell; where the machine is gone, let provision make another one`,
      })
    if (!(await isThere(node, node.configDir, signal))) await placeConfig(origin, context, manifest, source, node)
  }
}

async function placeConfig(
  origin: Origin,
  { signal, onProgress }: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  node: Node,
): Promise<void> {
  const part = configPart(node.name)
  if (!manifest.artifacts.some((artifact) => artifact.part === part))
    throw new HoldfastError('SOURCE_UNFIT', `${node.name} has no configuration, and ${manifest.id} has none of it`, {
      object: node.name,
      next: `put it into ${node.configDir} there, then start the restore again`,
    })
  onProgress({ phase: `configuration of ${node.name}` })
  const making = asideOf(node, `restore-${manifest.id}-config`)
  await doOn(node, `${line('rm', '-rf', '--', making)}; ${line('mkdir', '-p', making, dirname(node.configDir))}`, { signal })
  await source.feed(partOf(manifest, part), onNode(node, `set -e; ${untarScript(making)}`))
  const edits = addressEdits(origin, manifest)
  if (edits.length > 0)
    await doOn(node, `${line('find', making, '-type', 'f', '-exec', 'sed', '-i', ...edits.flatMap((edit) => ['-e', edit]))} {} +`, {
      signal,
    })
  await doOn(node, line('mv', '-T', making, node.configDir), { signal })
}

/** Members whose address is another one now, by the names of the nodes. */
export function movedMembers({ config }: Origin, manifest: Manifest): { from: string; to: string }[] {
  return nodesOf(config).flatMap(({ name, addr }) => {
    const from = fact(manifest, 'members', name)
    return typeof from === 'string' && from !== addr ? [{ from, to: addr }] : []
  })
}

/** By way of words that stand nowhere: one node may have got the address that another one had. The longest first: it may begin with another. */
function addressEdits(origin: Origin, manifest: Manifest): string[] {
  const moved = movedMembers(origin, manifest).sort((a, b) => b.from.length - a.from.length)
  const literally = (text: string) => text.replaceAll(/[.[\]*^$\\/|]/g, '\\$&')
  return [
    ...moved.map(({ from }, index) => `s|${literally(from)}|@holdfast-${index}@|g`),
    ...moved.map(({ to }, index) => `s|@holdfast-${index}@|${literally(to)}|g`),
  ]
}
