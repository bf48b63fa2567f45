/** Running pgBackRest: always as the operating system user of the cluster, with messages on stderr, and no secret in argv. */
import type { Readable } from 'node:stream'
import { startChain } from '../../process/chain.ts'
import type { Command } from '../../process/command.ts'
import { run, type RunOptions, type RunResult } from '../../process/run.ts'
import type { Progress } from '../driver.ts'
import { postgresUser } from '../postgres-common/folder.ts'
import { explained } from './pgbackrest-errors.ts'
import { type ListedFile, parseListing } from './pgbackrest-info.ts'

export interface PgbackrestOptions {
  configFile: string
  stanza: string
  osUser?: string | undefined
  /** Bytes of a WAL segment, where initdb was told otherwise. */
  segmentBytes?: number
}

export interface Watcher {
  phase: string
  signal: AbortSignal
  onProgress(progress: Progress): void
}

export interface Caller {
  stanza: string
  /** Options that every command of this stanza needs. */
  base: readonly string[]
  call(name: string, args: string[], options?: RunOptions & { operands?: string[] }): Promise<RunResult>
  /** Files below a path of the repository. */
  list(path: string, args?: string[]): Promise<ListedFile[]>
  /** Runs to its end with a line for each file on its output, which say how far it is. */
  watch(name: string, args: string[], watcher: Watcher, cwd?: string): Promise<void>
  /** Hands on what it prints; not for what must not be read in part. */
  stream(name: string, args: string[], operands: string[], read: (stream: Readable) => Promise<void>): Promise<void>
}

const LOG = ['--log-level-file=off', '--log-level-stderr=warn', '--no-log-timestamp']
const SILENT = '--log-level-console=off'
const MOST_BYTES = 512 * 1024 * 1024

export function createCaller({ configFile, stanza, osUser }: PgbackrestOptions): Caller {
  const user = postgresUser(osUser)
  const base = [`--config=${configFile}`, `--stanza=${stanza}`, ...LOG]
  const command = (name: string, args: string[], operands: string[] = [], cwd = '/'): Command => ({
    program: 'pgbackrest',
    args: [...base, ...args, name, ...operands],
    cwd,
    user,
    env: { LC_ALL: 'C' },
  })
  const meant = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw explained(error, stanza)
    }
  }
  const call: Caller['call'] = (name, args, { operands = [], ...options } = {}) =>
    meant(() => run(command(name, [SILENT, ...args], operands), { maxOutputBytes: MOST_BYTES, ...options }))
  return {
    stanza,
    base,
    call,
    list: async (path, args = []) => parseListing((await call('repo-ls', ['--output=json', ...args], { operands: [path] })).stdout),
    watch: (name, args, watcher, cwd) =>
      meant(async () => {
        const chain = startChain([command(name, ['--log-level-console=detail', ...args], [], cwd)], { signal: watcher.signal })
        await follow(chain.stdout, watcher)
        await chain.done
      }),
    stream: (name, args, operands, read) =>
      meant(async () => {
        const chain = startChain([command(name, [SILENT, ...args], operands)])
        await read(chain.stdout)
        await chain.done
      }),
  }
}

const UNITS: Record<string, number> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 }

/** `backup file /data/base/1/2 (8KB, 12.34%) checksum …`, and the same for a restore. */
async function follow(stdout: Readable, { phase, onProgress }: Watcher): Promise<void> {
  let bytes = 0
  for await (const line of linesOf(stdout)) {
    const file = / \((?:bundle [^,]*, )?([\d.]+)(B|KB|MB|GB|TB), ([\d.]+)%\)/.exec(line)
    if (!file) continue
    bytes += Math.round(Number(file[1]) * (UNITS[file[2] as string] ?? 1))
    const share = Number(file[3])
    onProgress({ phase, bytes, ...(share > 0 ? { totalBytes: Math.max(bytes, Math.round((bytes * 100) / share)) } : {}) })
  }
}

/** Unlike readline's, this ends with the error of the stream. */
export async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}
