/** One file that may be a dump: which kind it is, whether it is whole, and what is in it. All of it is read. */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { startChain } from '../../process/chain.ts'
import type { Command } from '../../process/command.ts'
import { run } from '../../process/run.ts'
import { digestOfFile } from '../common/file-digest.ts'
import type { DriverContext } from '../driver.ts'
import type { LogicalSourceConfig } from './config.ts'
import { readScript, type Script } from './script.ts'

/** Why a file becomes no point; `broken` where it was meant as a dump. */
export class NoDump extends Error {
  readonly broken: boolean

  constructor(why: string, broken = false) {
    super(why)
    this.broken = broken
  }
}

export interface Dump {
  /** The part of a point that it becomes. */
  role: 'database' | 'plain'
  gzip: boolean
  /** What an archive says of itself. */
  database?: string
  recorded?: string
}

export interface Inspected {
  dump: Dump
  script: Script
  /** BLAKE3 of its plain bytes: the same whether it was compressed or not. */
  origin: string
}

/** Throws NoDump, or what a program said of it. What has one of the `known` digests is not looked at further. */
export async function inspect(
  { binDir }: Pick<LogicalSourceConfig, 'binDir'>,
  file: string,
  context: DriverContext,
  known: ReadonlySet<string>,
): Promise<Inspected | 'known'> {
  const { signal } = context
  const beginning = await beginningOf(file)
  if (beginning.subarray(0, 5).toString('latin1') === 'PGDMP') {
    const origin = await digestOfFile(file, signal)
    return known.has(origin) ? 'known' : { origin, ...(await readArchive(binDir, file, signal)) }
  }
  const dump: Dump = { role: 'plain', gzip: beginning[0] === 0x1f && beginning[1] === 0x8b }
  if (!dump.gzip && !/^(--|\\restrict |SET )/m.test(beginning.toString('utf8')))
    throw new NoDump('it is no dump: neither an archive of pg_dump nor a script')
  const { origin, script } = await readPlain(file, dump, context)
  if (known.has(origin)) return 'known'
  requireFit(script)
  return { origin, dump, script }
}

async function beginningOf(file: string): Promise<Buffer> {
  const handle = await open(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(512), 0, 512, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

/** What would be in the point, as a stream; whoever reads it stops it, too. */
export function plainBytes(file: string, { gzip }: Dump, signal: AbortSignal): { stream: Readable; stop(): Promise<void> } {
  if (!gzip) {
    const stream = createReadStream(file, { highWaterMark: 1024 * 1024 })
    return { stream, stop: async () => void stream.destroy() }
  }
  const chain = startChain([{ program: 'gzip', args: ['-dc', '--', file] }], { signal })
  return { stream: chain.stdout, stop: () => chain.stop() }
}

async function readPlain(file: string, dump: Dump, context: DriverContext): Promise<{ origin: string; script: Script }> {
  const opened = plainBytes(file, dump, context.signal)
  const { stream, origin } = digesting(opened.stream, context)
  try {
    const script = await readScript(stream)
    return { script, origin: origin() }
  } finally {
    await opened.stop()
  }
}

type Chunks = AsyncIterable<Buffer>

function digesting(stream: Readable, { onProgress, signal }: DriverContext): { stream: Chunks; origin(): string } {
  const hasher = new Blake3Hasher()
  async function* through(): AsyncGenerator<Buffer> {
    let bytes = 0
    for await (const chunk of stream as Chunks) {
      signal.throwIfAborted()
      hasher.update(chunk)
      bytes += chunk.length
      onProgress({ phase: 'look', bytes })
      yield chunk
    }
  }
  return { stream: through(), origin: () => hasher.digest('hex') }
}

/** As SQL it passes through pg_restore whole: a block that is cut or altered ends it. */
async function readArchive(binDir: string, file: string, signal: AbortSignal): Promise<{ dump: Dump; script: Script }> {
  const pgRestore = (...args: string[]): Command => ({
    program: join(binDir, 'pg_restore'),
    args: [...args, file],
    env: { TZ: 'UTC', LC_ALL: 'C' },
  })
  const { stdout } = await run(pgRestore('--list'), { signal })
  const said = (pattern: RegExp) => pattern.exec(stdout)?.[1]
  const chain = startChain([pgRestore('--create', '--file=-')], { signal })
  try {
    const script = await readScript(chain.stdout as Chunks)
    await chain.done
    const { createDatabase: _, command: __, ...parts } = script
    requireFit({ ...parts, begins: true, complete: true })
    const dump: Dump = { role: 'database', gzip: false, database: said(/^; {5}dbname: (.*)$/m) ?? '' }
    const recorded = said(/^; Archive created at (.*)$/m)
    return { dump: recorded === undefined ? dump : { ...dump, recorded }, script }
  } finally {
    await chain.stop()
  }
}

/** Into an empty database, and into no other: a script that connects elsewhere would write there. */
function requireFit(script: Script): void {
  const { begins, complete, cluster, createDatabase, command, drops, tables, filled, missingSchemas } = script
  if (cluster) throw new NoDump('it is a dump of a whole server by pg_dumpall: only dumps of one database can be adopted')
  if (!begins) throw new NoDump('it does not begin as a script of pg_dump does')
  if (!complete) throw new NoDump('it is cut off: the line in which pg_dump says that the dump is complete is not there', true)
  if (createDatabase !== undefined || command !== undefined)
    throw new NoDump(`it does more than fill a database: ${createDatabase ?? command}`)
  if (drops !== undefined) throw new NoDump(`it begins by dropping what an empty database does not have: ${drops}`)
  if (missingSchemas.length > 0) throw new NoDump(`it is a dump of chosen tables, without their schemas: ${missingSchemas.join(', ')}`)
  if (tables > 0 && filled === 0) throw new NoDump('it has definitions and no rows')
  if (tables === 0 && filled > 0) throw new NoDump('it has rows and no definitions')
}
