/** A checkpoint of the store as it is at one moment: by the store's own call, or by ldb beside the program that has it open. */
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { PointKind } from '../../core/ids.ts'
import { run } from '../../process/run.ts'
import { until } from '../../process/wait.ts'
import type { CaptureRequest, DriverContext, Snapshot } from '../driver.ts'
import type { RocksdbSourceConfig } from './config.ts'
import { filesOf, noFolder } from './files.ts'
import { holdersOf } from './holders.ts'
import { ldb, saidBy } from './ldb.ts'
import { exists, pointFolder, shareFiles, statOf } from './places.ts'

export interface Origin {
  config: RocksdbSourceConfig
  /** The name of the source. */
  source: string
  /** How long a moment is waited for in which the store neither flushes nor compacts. */
  steadyMs: number
}

/** Under a name of the point, where a later try finds it: a checkpoint gets that name only once it is whole. */
export async function makeCheckpoint(origin: Origin, context: DriverContext, { id, kind, attempt }: CaptureRequest): Promise<Snapshot> {
  context.onProgress({ phase: 'checkpoint' })
  const folder = pointFolder(origin.config, origin.source, id)
  const whole = join(folder, 'whole')
  if (!(await exists(whole))) {
    const making = join(folder, `making-${attempt}`)
    await rm(making, { recursive: true, force: true })
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const at = await fill(origin, context, making, kind)
    // A try that was frozen meanwhile may have been first: either is one moment of the store.
    await rename(making, whole).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
    return { checkpoint: whole, ...at }
  }
  return { checkpoint: whole, at: (await stat(whole)).mtime.toISOString() }
}

async function fill(origin: Origin, context: DriverContext, into: string, kind: PointKind): Promise<{ at: string; asItIs?: true }> {
  const { config } = origin
  const at = new Date().toISOString()
  try {
    await (config.checkpoint ? byOwnCall(config.checkpoint.command, config, context, into) : byLdb(origin, context, into))
    return { at }
  } catch (error) {
    // What a restore is about to replace may be broken: then its files are kept as they are, where nobody writes to them.
    if (kind !== 'pre_restore' || context.signal.aborted || (await holdersOf(config.path)).length > 0) throw error
    await asItIs(config.path, into)
    return { at, asItIs: true }
  }
}

async function byOwnCall(
  command: readonly string[],
  { path }: RocksdbSourceConfig,
  { signal }: DriverContext,
  into: string,
): Promise<void> {
  const [program = '', ...args] = command.map((word) => word.replaceAll('{path}', path).replaceAll('{checkpoint}', into))
  await run({ program, args }, { signal })
  if (!(await exists(join(into, 'CURRENT')))) throw noFolder(into)
}

/**
 * ldb reads the manifest, then links what that names, and nothing holds the store back in between: a flush there removes
 * a log whose contents are in a file that ldb has not heard of, and the checkpoint has a hole that opens without an error.
 * The store writes every flush and compaction into its manifest before it removes anything: where that is the same
 * before and after, there was none.
 */
async function byLdb({ config, steadyMs }: Origin, { signal }: DriverContext, into: string): Promise<void> {
  const { path, programs } = config
  const secondary = `${into}-secondary`
  const steady = async (): Promise<boolean> => {
    await Promise.all([into, `${into}.tmp`, secondary].map((folder) => rm(folder, { recursive: true, force: true })))
    const before = await manifestState(path)
    const made = await ldb({ program: programs.ldb, db: path, signal }, [
      `--secondary_path=${secondary}`,
      'checkpoint',
      `--checkpoint_dir=${into}`,
    ])
    const unmoved = before !== undefined && before === (await manifestState(path))
    if (unmoved && made.exitCode !== 0)
      throw new HoldfastError('SOURCE_UNFIT', `ldb takes no checkpoint of ${path}: ${saidBy(made)}`, {
        object: path,
        next: 'where the store has a comparator or merge operator of its own: name its own call as checkpoint.command',
      })
    return unmoved
  }
  try {
    await until(steady, { timeoutMs: steadyMs, everyMs: 200, what: `a moment in which ${path} neither flushes nor compacts`, signal })
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'PROCESS_TIMEOUT') throw error
    throw new HoldfastError('SOURCE_LOCKED', `${path} flushed or compacted during each checkpoint that ldb tried: ${messageOf(error)}`, {
      object: path,
      next: "give the source the store's own call as checkpoint.command, or back up in a quieter hour",
      cause: error,
    })
  } finally {
    await rm(secondary, { recursive: true, force: true })
  }
}

/** Which manifest is the current one, and how far it is written; undefined in the moment in which it changes. */
async function manifestState(path: string): Promise<string | undefined> {
  const name = (await readFile(join(path, 'CURRENT'), 'utf8').catch(() => '')).trim()
  // It is replaced in one step, so that an open store always has it.
  if (name === '') throw new HoldfastError('SOURCE_UNFIT', `${path} is no RocksDB database: it has no file CURRENT`, { object: path })
  const size = (await statOf(join(path, name)))?.size
  return size === undefined ? undefined : `${name} ${size}`
}

/** Not what belongs to whoever opens it. */
const OF_THE_OPENER = /^(LOCK|LOG(\.old\..*)?)$/

async function asItIs(path: string, into: string): Promise<void> {
  await rm(into, { recursive: true, force: true })
  const names = (await filesOf(path)).map(({ name }) => name).filter((name) => !OF_THE_OPENER.test(name))
  await shareFiles(names, path, into)
}
