/**
 * Writes are paused by us only under a mark of ours, which stands on the nodes before the pause begins: whoever finds it
 * later resumes them. A pause that somebody else began has no mark, and is never ended here.
 */
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { DriverContext } from '../driver.ts'
import { ask, leaderOf } from './cluster.ts'
import { doOn, line, type Node, nodesOf, type Origin, stagesOf, unreachable, writeOn } from './node.ts'

export interface Pausing {
  since: number
  /** They were paused before: it is not ours to end. */
  byOthers: boolean
}

const MARK = 'paused'
const markOf = (node: Node, source: string, id: string): string => join(stagesOf(node, source), id, MARK)

/** Writes take place again once this ends, whatever happens in it. */
export async function paused<T>(origin: Origin, context: DriverContext, id: string, act: (pausing: Pausing) => Promise<T>): Promise<T> {
  const { config } = origin
  const { signal } = context
  const { node, metrics } = await leaderOf(config, signal)
  if (metrics.writesPaused === 1) return act({ since: performance.now(), byOthers: true })
  await mark(origin, id, signal)
  const since = performance.now()
  try {
    context.onProgress({ phase: 'pause writes' })
    await ask(config, 'pause', { addr: node.addr }, signal)
    return await act({ since, byOthers: false })
  } finally {
    await resumeOurs(origin, context, id)
  }
}

/** On every node that can be reached: the leader may be another one by the time that somebody looks. */
async function mark({ config, source }: Origin, id: string, signal: AbortSignal): Promise<void> {
  const nodes = await reachable(config, signal)
  if (nodes.length === 0)
    throw new HoldfastError(
      'SOURCE_UNREACHABLE',
      'the files of no node can be reached: writes are not paused without a mark that says who did it',
      {
        object: source,
      },
    )
  const text = `${JSON.stringify({ id, nodes: nodes.map(({ name }) => name) } satisfies Mark)}\n`
  for (const node of nodes) await writeOn(node, markOf(node, source, id), text, signal)
}

async function reachable(config: Origin['config'], signal?: AbortSignal): Promise<Node[]> {
  const found: Node[] = []
  for (const node of nodesOf(config)) if ((await unreachable(node, signal)) === undefined) found.push(node)
  return found
}

/**
 * Resumes writes that were paused for this point, or for whichever of the source, and takes the marks away. Not stopped by
 * whatever stopped the backup.
 */
export async function resumeOurs(origin: Origin, context: Pick<DriverContext, 'onProgress'>, id?: string): Promise<void> {
  const { config, source } = origin
  const nodes = await reachable(config)
  const marks = new Map<string, { nodes: string[]; on: Node[] }>()
  for (const node of nodes)
    for (const found of await marksOn(node, source)) {
      if (id !== undefined && found.id !== id) continue
      const mark = marks.get(found.id) ?? { nodes: found.nodes, on: [] }
      marks.set(found.id, { ...mark, on: [...mark.on, node] })
    }
  // One that lacks on a node which had it: that pause has not begun, or is over, and what is paused now somebody else paused.
  const ours = [...marks.values()].some((mark) => nodes.every((node) => !mark.nodes.includes(node.name) || mark.on.includes(node)))
  if (ours) {
    context.onProgress({ phase: 'resume writes' })
    await resume(origin)
  }
  for (const [marked, { on }] of marks) for (const node of on) await doOn(node, line('rm', '-f', '--', markOf(node, source, marked)))
}

interface Mark {
  id: string
  nodes: string[]
}

async function marksOn(node: Node, source: string): Promise<Mark[]> {
  const stages = line(stagesOf(node, source))
  const found = await doOn(
    node,
    `if [ -d ${stages} ]; then cd ${stages}; find . -mindepth 2 -maxdepth 2 -name ${MARK} -exec cat {} \\; ; fi`,
  )
  return found.split('\n').flatMap((text) => (text === '' ? [] : [JSON.parse(text) as Mark]))
}

const TRIES = 3

/** Read back: only then it has happened. */
async function resume({ config }: Origin): Promise<void> {
  let problem = 'they are still paused'
  for (let count = 0; count < TRIES; count += 1) {
    const { node, metrics } = await leaderOf(config)
    if (metrics.writesPaused !== 1) return
    await ask(config, 'resume', { addr: node.addr }).catch((error: unknown) => {
      problem = messageOf(error)
    })
  }
  if ((await leaderOf(config)).metrics.writesPaused !== 1) return
  throw new HoldfastError('PROCESS_FAILED', `writes were paused for a backup and could not be resumed: ${problem}`, {
    object: nodesOf(config)[0].addr,
    next: `resume them now: ${config.commands.resume.join(' ').replace('{admin}', config.programs.admin).replace('{addr}', nodesOf(config)[0].addr)}`,
  })
}
