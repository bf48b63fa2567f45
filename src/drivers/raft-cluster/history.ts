/**
 * A restored cluster counts its entries on from the moment that it was restored to: its log fits no archive of before, and
 * the names of segments do not show that. So a restore leaves a mark on each node, and points say which archive is theirs.
 */
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { asideOf, doOn, line, type Node, nodesOf, type Origin, readOn, unreachable, writeOn } from './node.ts'
import { fact } from './parts.ts'
import { archiveNameOf } from './wal.ts'

const markOf = (node: Node): string => asideOf(node, 'restored-from-archive')

/** The archive that goes on from a point that is taken now, or why there is none. */
export async function archiveOfNow({ config }: Origin, node: Node, signal: AbortSignal): Promise<{ archive?: string; warning?: string }> {
  if (!config.wal) return {}
  const archive = archiveNameOf(config.wal)
  const before = (await readOn(node, markOf(node), signal))?.trim()
  if (before !== archive) return { archive }
  return {
    warning: `no point in time can be reached from this point: the cluster was restored, and ${archive} holds the log of before. Give it another archive`,
  }
}

/** Where the archive of the point would go on to be written by what is restored from it. Throws SOURCE_UNFIT. */
export async function requireNewArchive({ config }: Origin, manifest: Manifest): Promise<void> {
  const old = fact(manifest, 'wal', 'archive')
  if (typeof old !== 'string' || !config.wal) return
  const next = `give wal of the source and archive_command of every node another archive than ${old}; name the old one in wal.earlier, for it stays what recovery points of before are replayed from`
  if (archiveNameOf(config.wal) === old)
    throw new HoldfastError('SOURCE_UNFIT', `a cluster restored from ${manifest.id} would mix its log with the one in ${old}`, {
      object: old,
      next,
    })
  const word = `(^|[^[:alnum:]_/-])${old.replaceAll(/[^\w/-]/g, '\\$&')}([^[:alnum:]_-]|$)`
  for (const node of nodesOf(config)) {
    if ((await unreachable(node)) !== undefined) continue
    const found = await doOn(
      node,
      `if [ -d ${line(node.configDir)} ]; then grep -rlE ${line('-e', word)} ${line('--', node.configDir)} || true; fi`,
    )
    if (found.trim() !== '')
      throw new HoldfastError(
        'SOURCE_UNFIT',
        `${node.name} would archive its log into ${old} again: ${found.trim().split('\n').join(', ')}`,
        {
          object: node.name,
          next,
        },
      )
  }
}

/** On each node, before the first of them starts again. */
export async function markRestored({ config }: Origin, manifest: Manifest, signal?: AbortSignal): Promise<void> {
  const old = fact(manifest, 'wal', 'archive')
  if (typeof old !== 'string') return
  for (const node of nodesOf(config)) await writeOn(node, markOf(node), `${old}\n`, signal)
}
