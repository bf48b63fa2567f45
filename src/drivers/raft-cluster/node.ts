/** Where the files of a node are: lines of shell, run there, whether that is this machine or another one. */
import { basename, dirname, join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Command } from '../../process/command.ts'
import { run } from '../../process/run.ts'
import { shellWord } from '../../core/shell.ts'
import type { DriverWiring } from '../driver.ts'
import type { NodeConfig, RaftClusterConfig } from './config.ts'

export interface Node extends NodeConfig {
  name: string
  /** host:port of its API. */
  addr: string
}

export interface Origin {
  config: RaftClusterConfig
  /** The name of the source. */
  source: string
  archive?: DriverWiring['archive']
}

export const nodesOf = ({ nodes }: Pick<RaftClusterConfig, 'nodes'>): [Node, ...Node[]] =>
  Object.entries(nodes).map(([name, node]) => ({ ...node, name, addr: new URL(node.url).host })) as [Node, ...Node[]]

/** Words as one line. */
export const line = (...words: string[]): string => words.map(shellWord).join(' ')

export function onNode({ shell }: Pick<Node, 'shell'>, script: string): Command {
  const [program = '', ...args] = shell
  return { program, args: [...args, script] }
}

export interface Doing {
  signal?: AbortSignal | undefined
  stdin?: string
  timeoutMs?: number
}

/** What the script printed. A script stops at its first command that fails. */
export async function doOn(node: Node, script: string, { signal, stdin, timeoutMs }: Doing = {}): Promise<string> {
  const command = { ...onNode(node, `set -e; ${script}`), ...(stdin !== undefined && { stdin }) }
  const options = { ...(signal && { signal }), ...(timeoutMs !== undefined && { timeoutMs }) }
  return (await run(command, { ...options, maxOutputBytes: 256 * 1024 * 1024 })).stdout
}

const REACH_MS = 20_000

/** Undefined, or why its files cannot be reached. */
export async function unreachable(node: Node, signal?: AbortSignal): Promise<string | undefined> {
  try {
    await doOn(node, 'true', { signal, timeoutMs: REACH_MS })
    return undefined
  } catch (error) {
    if (signal?.aborted) throw error
    return messageOf(error)
  }
}

export async function isThere(node: Node, path: string, signal?: AbortSignal): Promise<boolean> {
  const found = await doOn(node, `if [ -e ${shellWord(path)} ]; then echo yes; else echo no; fi`, { signal })
  return found.trim() === 'yes'
}

/** The text of a file, or undefined where there is none. */
export async function readOn(node: Node, path: string, signal?: AbortSignal): Promise<string | undefined> {
  const word = shellWord(path)
  const found = await doOn(node, `if [ -e ${word} ]; then echo yes; cat ${word}; fi`, { signal })
  return found.startsWith('yes\n') ? found.slice(4) : undefined
}

/** Whole, or as it was. */
export async function writeOn(node: Node, path: string, text: string, signal?: AbortSignal): Promise<void> {
  const word = shellWord(path)
  await doOn(node, `mkdir -p ${shellWord(dirname(path))}; cat > ${word}.new; sync -f ${word}.new; mv -f ${word}.new ${word}`, {
    stdin: text,
    signal,
  })
}

/** Beside dataDir, on its file system: `<dataDir>.<what>`. */
export const asideOf = ({ dataDir, asideDir }: Node, what: string): string =>
  join(asideDir ?? dirname(dataDir), `${basename(dataDir)}.${what}`)

/** Everything that is made on the node for points of the source, in a folder for each. */
export const stagesOf = (node: Node, source: string): string => asideOf(node, `holdfast-${source}`)

/** Bytes free where things are put aside. */
export async function freeOn(node: Node, signal?: AbortSignal): Promise<number> {
  const said = await doOn(node, `df -P -B1 ${line(node.asideDir ?? dirname(node.dataDir))}`, { signal })
  const free = Number(said.trim().split('\n').at(-1)?.split(/\s+/)[3])
  if (Number.isFinite(free)) return free
  throw new HoldfastError('PROCESS_FAILED', `df on ${node.name} said nothing of free space: ${said}`, { object: node.name })
}
