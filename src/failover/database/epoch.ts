/**
 * The fencing epoch of a site: a number in a folder beside its data directory that only grows. Every effect that could
 * split the pair is one command that runs under the kernel's lock on that folder, after the epoch was read there. The
 * lock's holder is that command's own process, never the worker: a frozen worker holds nothing, and whoever raises the
 * epoch may kill the holder without killing a worker.
 */
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { type Command, describe } from '../../process/command.ts'
import { type RunOptions, type RunResult, run } from '../../process/run.ts'
import { syncFolder, writeSynced } from '../../storage/durable.ts'
import { killHolders } from './lock-holders.ts'

/** All that the epoch needs to know of a site. */
export interface EpochSite {
  name: string
  dataDir: string
  signal?: AbortSignal
}

export const epochFolder = (site: { dataDir: string }): string => `${site.dataDir}.holdfast`
const lockFile = (site: { dataDir: string }) => join(epochFolder(site), 'lock')
const epochFile = (site: { dataDir: string }) => join(epochFolder(site), 'epoch')

const BUSY = 75
const STALE = 76
/** Distinguishes the guard's own refusals from a command that ends with the same number. */
const MARK = 'holdfast-epoch:'

// The lock is on descriptor 9, opened for reading so that any user may take it.
const PREAMBLE = `folder=$1 epoch=$2 wait=$3; shift 3
exec 9<"$folder/lock" || exit 1
flock -x -w "$wait" 9 || { echo "${MARK} busy" >&2; exit ${BUSY}; }
now=$(cat "$folder/epoch" 2>/dev/null || echo 0)`
const CHECKED = `${PREAMBLE}
[ "$now" = "$epoch" ] || { echo "${MARK} is $now" >&2; exit ${STALE}; }`
// The command becomes the holder itself: the lock is held exactly as long as it can act.
const GUARD = `${CHECKED}
exec "$@"`
// A server that inherited the descriptor would hold the lock for ever, so the shell holds it, and a TERM (the worker
// died) does not end the shell before the command.
const GUARD_START = `${CHECKED}
trap : TERM
"$@" 9<&-`
const RAISE = `${PREAMBLE}
[ "$now" -gt "$epoch" ] && { echo "${MARK} is $now" >&2; exit ${STALE}; }
[ "$now" = "$epoch" ] && exit 0
printf '%s\\n' "$epoch" >"$folder/epoch.new" && sync "$folder/epoch.new" && mv "$folder/epoch.new" "$folder/epoch" && sync "$folder"`

/** 0 where no run ever had the pair. */
export async function readEpoch(site: { dataDir: string }): Promise<number> {
  const text = await readFile(epochFile(site), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '0'
    throw error
  })
  const epoch = Number(text.trim())
  if (!Number.isSafeInteger(epoch) || epoch < 0)
    throw new HoldfastError('INTEGRITY', `${epochFile(site)} holds no epoch`, {
      object: epochFile(site),
      next: 'write the highest epoch of both sites into it',
    })
  return epoch
}

/** Refuses early where a newer run owns the pair; the guard asks again, under the lock. */
export async function assertEpoch(site: EpochSite, epoch: number): Promise<void> {
  const now = await readEpoch(site)
  if (now !== epoch) throw stale(site, epoch, now)
}

export interface GuardOptions extends RunOptions {
  /** How long it waits for the lock. */
  waitMs?: number
  /** True for a command that leaves a server running: the server must not inherit the lock. */
  leavesServer?: boolean
}

/**
 * Runs one command while the site's lock is held and only if the site's epoch is exactly this one. Throws EPOCH_STALE,
 * BUSY where somebody else holds the lock for longer than `waitMs`, and what `run` throws.
 */
export async function underEpoch(site: EpochSite, epoch: number, command: Command, options: GuardOptions = {}): Promise<RunResult> {
  await prepare(site)
  const accept = options.accept ?? [0]
  const guarded = guard(options.leavesServer ? GUARD_START : GUARD, site, epoch, options.waitMs ?? 10_000, command)
  try {
    const result = await run(guarded, { signal: site.signal, ...options, accept: [...accept, BUSY, STALE] })
    refuseFrom(site, epoch, result)
    if (accept.includes(result.exitCode)) return result
    throw new HoldfastError('PROCESS_FAILED', `${describe(guarded)} exited with ${result.exitCode}: ${result.stderr.trim()}`, {
      object: command.program,
    })
  } catch (error) {
    throw unwrapped(error, guarded, command)
  }
}

/** The message as if the command had run without its guard, which would fill the line. */
function unwrapped(error: unknown, guarded: Command, command: Command): unknown {
  if (!(error instanceof HoldfastError) || !error.message.includes(describe(guarded))) return error
  const { code, next, details, retryable } = error
  return new HoldfastError(code, error.message.replace(describe(guarded), describe(command)), {
    object: command.program,
    next,
    details,
    retryable,
    cause: error.cause,
  })
}

export interface Raised {
  epoch: number
  killed: number[]
}

/**
 * Raises the epoch, never lowers it: EPOCH_STALE where it is higher already. Waits for the lock, and after `patienceMs`
 * kills whoever holds it. When this resolves, nothing of an older epoch can begin any more.
 */
export async function raiseEpoch(site: EpochSite, to: number, { patienceMs = 3_000 }: { patienceMs?: number } = {}): Promise<Raised> {
  await prepare(site)
  const killed: number[] = []
  for (const waitMs of [patienceMs, 5_000]) {
    const result = await run(guard(RAISE, site, to, waitMs, undefined), { signal: site.signal, accept: [0, BUSY, STALE] })
    if (result.exitCode === 0) return { epoch: to, killed }
    if (result.exitCode === STALE) refuseFrom(site, to, result)
    killed.push(...(await killHolders(lockFile(site))))
  }
  throw new HoldfastError('BUSY', `the epoch lock of site ${site.name} is still held after its holders were killed`, {
    object: lockFile(site),
    details: { killed },
    next: `look at who holds it: fuser -v ${lockFile(site)}`,
  })
}

function guard(script: string, site: EpochSite, epoch: number, waitMs: number, command: Command | undefined): Command {
  if (!Number.isSafeInteger(epoch) || epoch < 1)
    throw new HoldfastError('INPUT_INVALID', `an epoch is a whole number from 1, not ${epoch}`, { object: 'epoch' })
  const words = command ? [command.program, ...command.args] : []
  return {
    ...command,
    program: 'sh',
    args: ['-c', script, 'holdfast-epoch', epochFolder(site), String(epoch), String(waitMs / 1000), ...words],
  }
}

function refuseFrom(site: EpochSite, epoch: number, { exitCode, stderr }: RunResult): void {
  const line = stderr.split('\n').find((one) => one.startsWith(MARK))
  if (!line) return
  if (exitCode === STALE) throw stale(site, epoch, Number(/is (\d+)/.exec(line)?.[1] ?? Number.NaN))
  if (exitCode === BUSY)
    throw new HoldfastError('BUSY', `another step holds the epoch lock of site ${site.name}`, { object: lockFile(site), retryable: true })
}

function stale(site: EpochSite, epoch: number, now: number): HoldfastError {
  return new HoldfastError('EPOCH_STALE', `site ${site.name} is at epoch ${now}, this run has ${epoch}`, {
    object: epochFile(site),
    details: { now, epoch },
  })
}

async function prepare(site: EpochSite): Promise<void> {
  await stat(site.dataDir).catch((cause: unknown) => {
    throw new HoldfastError('NOT_FOUND', `site ${site.name} has no data directory ${site.dataDir}`, {
      object: site.dataDir,
      cause,
      next: 'check dataDir in holdfast.yaml',
    })
  })
  await mkdir(epochFolder(site), { recursive: true })
  await writeFile(lockFile(site), '', { flag: 'a' })
  // The database's own user takes the lock as well, whatever the worker's umask.
  await chmod(epochFolder(site), 0o755)
  await chmod(lockFile(site), 0o644)
}

/** Writes a small file beside the epoch so that it survives a crash of the machine. */
export async function writeBeside(site: EpochSite, name: string, text: string): Promise<void> {
  await prepare(site)
  await writeSynced(join(epochFolder(site), name), text, 0o644)
  await syncFolder(epochFolder(site))
}

export async function readBeside(site: { dataDir: string }, name: string): Promise<string | undefined> {
  return readFile(join(epochFolder(site), name), 'utf8').catch(() => undefined)
}
