/**
 * Puts a filled folder in the place of a cluster: all nodes stopped, what they have moved aside, the first started on what was
 * filled, the others empty so that they follow it. What is under way stands in a note: a second try goes on, an undo goes back.
 */
import { dirname, join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { stamp } from '../../core/ids.ts'
import type { Manifest } from '../../core/records.ts'
import type { DriverContext, Swapped } from '../driver.ts'
import { markRestored } from './history.ts'
import { comeUp, startNode, stopAll } from './nodes-up.ts'
import { movedMembers } from './provision.ts'
import { asideOf, doOn, isThere, line, type Node, nodesOf, type Origin, readOn, unreachable, writeOn } from './node.ts'

export interface Swap {
  confirm: string
  /** `<node>/<folder>` of what was filled: nothing else is put in place. */
  made: string
  /** Throws unless the live cluster is the one that was confirmed. */
  confirmed(): Promise<void>
}

interface Note {
  made: string
  confirm: string
  /** Ends the names under which what was there is kept; the same at each try. */
  stamp: string
}

const noteOf = (node: Node): string => asideOf(node, 'restore-under-way.json')
const keptOf = (node: Node, note: Pick<Note, 'stamp'>): string => asideOf(node, `pre_restore_${note.stamp}`)
/** In the kept folder: everything has been moved there. */
const MOVED = '.moved'
/** In the kept folder of the first node, once the swap has ended. */
const DONE = '.replaced-by'

export async function swap(origin: Origin, manifest: Manifest, wanted: Swap, context?: DriverContext): Promise<Swapped> {
  const { config } = origin
  const [name] = wanted.made.split('/')
  const first = nodesOf(config).find((node) => node.name === name) ?? nodesOf(config)[0]
  const done = await finished(first, wanted.made)
  if (done) return report(origin, manifest, first, done)
  const under = await noteOn(first)
  if (under && under.made !== wanted.made) throw otherUnderWay(first, under)
  if (!under) await wanted.confirmed()
  const note = under ?? { made: wanted.made, confirm: wanted.confirm, stamp: stamp(new Date()).slice(0, 15).replace('T', '_') }
  const filled = join(dirname(asideOf(first, '')), wanted.made.slice(first.name.length + 1))
  if (!under && !(await isThere(first, filled)))
    throw new HoldfastError('NOT_FOUND', `there is no folder ${filled} on ${first.name} to put in place, or another try made it`, {
      object: filled,
      next: 'start the restore again',
    })
  await writeOn(first, noteOf(first), JSON.stringify(note))
  try {
    await replace(origin, manifest, { first, filled, note }, context)
  } catch (error) {
    const back = await putBack(origin).then(
      () => 'the old state is back in its place',
      (second: unknown) => `the old state could not be put back: ${messageOf(second)}`,
    )
    if (context?.signal.aborted) throw error
    throw new HoldfastError('VERIFY_FAILED', `the cluster did not come up with what was restored: ${messageOf(error)}; ${back}`, {
      object: first.name,
      cause: error,
      next: 'read the logs of the nodes, then start the restore again',
    })
  }
  await writeOn(first, join(keptOf(first, note), DONE), note.made)
  await doOn(first, line('rm', '-f', '--', noteOf(first)))
  return report(origin, manifest, first, note)
}

interface Under {
  first: Node
  filled: string
  note: Note
}

async function replace(origin: Origin, manifest: Manifest, { first, filled, note }: Under, context?: DriverContext): Promise<void> {
  const { config } = origin
  const signal = context?.signal
  context?.onProgress({ phase: 'stop the nodes' })
  await stopAll(config, signal)
  for (const node of nodesOf(config)) {
    context?.onProgress({ phase: `move aside on ${node.name}` })
    await moveAside(origin, node, note, signal)
  }
  const take = partsOf(origin).map(
    (part) => `if [ -e ${line(join(filled, part))} ]; then ${line('mv', '-T', join(filled, part), join(first.dataDir, part))}; fi`,
  )
  await doOn(first, `${line('mkdir', '-p', first.dataDir)}; ${take.join('; ')}; ${line('rm', '-rf', '--', filled)}`, { signal })
  await requireCleared(origin, first, signal)
  await markRestored(origin, manifest, signal)
  context?.onProgress({ phase: `start ${first.name}` })
  await startNode(first, signal)
  await comeUp(config, manifest, { first, bootstrap: movedMembers(origin, manifest).length > 0 }, context)
}

/** Once only: when it is repeated, what stands there is the new state. */
async function moveAside(origin: Origin, node: Node, note: Note, signal: AbortSignal | undefined): Promise<void> {
  const kept = keptOf(node, note)
  const moves = partsOf(origin).map(
    (part) => `if [ -e ${line(join(node.dataDir, part))} ]; then ${line('mv', '-T', join(node.dataDir, part), join(kept, part))}; fi`,
  )
  const moved = line(join(kept, MOVED))
  await doOn(node, `${line('mkdir', '-p', kept)}; if [ ! -e ${moved} ]; then ${moves.join('; ')}; touch ${moved}; fi`, { signal })
}

/** The folders that are a node's state. */
const partsOf = ({ config: { folders } }: Origin): string[] => [folders.raft, folders.store]

/** One that kept its log would bring it back: it may be longer than what was restored. */
async function requireCleared(origin: Origin, first: Node, signal: AbortSignal | undefined): Promise<void> {
  for (const node of nodesOf(origin.config)) {
    if (node.name === first.name) continue
    for (const part of partsOf(origin))
      if (await isThere(node, join(node.dataDir, part), signal))
        throw new HoldfastError('SOURCE_UNFIT', `${node.name} was not cleared: there is a ${join(node.dataDir, part)} again`, {
          object: node.name,
          next: `end whatever runs on ${node.name}, then start the restore again`,
        })
  }
}

/** Undoes what a swap began and did not end, and starts the nodes as before. Harmless where none did. */
export async function putBack(origin: Origin): Promise<void> {
  const { config } = origin
  for (const first of nodesOf(config)) {
    if ((await unreachable(first)) !== undefined) continue
    const note = await noteOn(first)
    if (!note) continue
    await stopAll(config)
    for (const node of nodesOf(config)) await moveBack(origin, node, note)
    for (const node of nodesOf(config)) await startNode(node)
    await doOn(first, line('rm', '-f', '--', noteOf(first)))
  }
}

/**
 * First what came in the place of nothing goes, then the mark of that, and only then the rest comes back: killed anywhere
 * and repeated, nothing that came back is taken for what has to go.
 */
async function moveBack(origin: Origin, node: Node, note: Note): Promise<void> {
  const kept = keptOf(node, note)
  const moved = line(join(kept, MOVED))
  const each = (act: (now: string, before: string) => string) =>
    partsOf(origin)
      .map((part) => act(join(node.dataDir, part), join(kept, part)))
      .join('; ')
  const removeNew = each((now, before) => `if [ ! -e ${line(before)} ]; then ${line('rm', '-rf', '--', now)}; fi`)
  const bring = each(
    (now, before) => `if [ -e ${line(before)} ]; then ${line('rm', '-rf', '--', now)}; ${line('mv', '-T', before, now)}; fi`,
  )
  await doOn(
    node,
    `if [ -d ${line(kept)} ]; then if [ -e ${moved} ]; then ${removeNew}; rm -f ${moved}; fi; ${bring}; ${line('rmdir', kept)}; fi`,
  )
}

async function noteOn(node: Node): Promise<Note | undefined> {
  const text = await readOn(node, noteOf(node))
  return text === undefined ? undefined : (JSON.parse(text) as Note)
}

function otherUnderWay(node: Node, note: Note): HoldfastError {
  return new HoldfastError('STORE_CONFLICT', `another restore of this cluster is under way, and did not end: ${note.made}`, {
    object: node.name,
    next: `see that it does not run any more; what it moved is beside dataDir of each node as *.pre_restore_${note.stamp}. Remove ${noteOf(node)} once the cluster is as you want it`,
  })
}

/** A swap of the same folder that has ended. */
async function finished(first: Node, made: string): Promise<Pick<Note, 'stamp'> | undefined> {
  const all = asideOf(first, 'pre_restore_')
  const found = await doOn(
    first,
    `for mark in ${line(all)}*/${DONE}; do if [ -e "$mark" ] && [ "$(cat "$mark")" = ${line(made)} ]; then echo "$mark"; fi; done`,
  )
  const kept = found
    .trim()
    .split('\n')[0]
    ?.slice(0, -DONE.length - 1)
  return kept ? { stamp: kept.slice(all.length) } : undefined
}

function report({ config }: Origin, manifest: Manifest, first: Node, note: Pick<Note, 'stamp'>): Swapped {
  const kept = nodesOf(config).map((node) => `on ${node.name}: rm -r ${line(keptOf(node, note))}`)
  return {
    database: manifest.source,
    keptAs: keptOf(first, note),
    notes: [`what each node had is kept beside its folder until you end it, ${kept.join('; ')}`],
  }
}
