/** What committed on a timeline after a position, read by pg_waldump from the log itself: no client has to be asked. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { HoldfastError } from '../../core/errors.ts'
import { startChain } from '../../process/chain.ts'
import type { Command } from '../../process/command.ts'
import { run } from '../../process/run.ts'
import { type ArchiveGet, type Assembled, assembleForward, linkSegment, segmentBytesOf, type WalSource } from './wal-files.ts'
import { forkPoint, formatLsn, historyName, parseLsn, segmentStart } from './wal-position.ts'
import { type Changes, type Commit, createTally, type Tally } from './wal-records.ts'

export interface WalkRequest {
  binDir: string
  walDir: string
  /** Asked for segments that pg_wal has recycled. */
  archiveGet?: ArchiveGet | undefined
  timeline: number
  /** As pg_control says; read from the files themselves where it is not given. */
  segmentBytes?: number | undefined
  /** Commits at or after this position count. */
  from: string
  /** Folder of its own for links and messages; emptied first, removed at the end. */
  workDir: string
  signal?: AbortSignal | undefined
}

export interface Walked {
  commits: Commit[]
  /** What they changed, by `database oid/file number`. */
  changesByTable: Map<string, Changes>
  /** The last record of the log, or `from` where nothing follows it; the end of the files where they are full. */
  end: string
  /** True where every such transaction was read from its beginning; else a deletion before `from` may be missing. */
  complete: boolean
  /** Why the log cannot be read to its end; then nothing else here is to be trusted. */
  unreadable?: string
}

/** No record begins before it in a segment. */
const FIRST_PAGE_HEADER = 40n

/** The end of what one reading found, and whether pg_waldump met something to read at all. */
interface Reading {
  nothingFound: boolean
  stoppedAt: bigint | undefined
  message: string
}

export async function committedAfter(request: WalkRequest): Promise<Walked> {
  const nothing = (unreadable: string): Walked => ({
    commits: [],
    changesByTable: new Map(),
    end: request.from,
    complete: false,
    unreadable,
  })
  try {
    await requireVersion(request)
    const segmentBytes = request.segmentBytes ?? (await segmentBytesOf(request.walDir).catch(() => undefined))
    if (segmentBytes === undefined) return nothing(`${request.walDir} cannot be read or holds no WAL`)
    return await walk(request, segmentBytes, nothing)
  } finally {
    await rm(request.workDir, { recursive: true, force: true })
  }
}

async function walk(request: WalkRequest, segmentBytes: number, nothing: (why: string) => Walked): Promise<Walked> {
  const from = parseLsn(request.from)
  // From the segment before, where the position is the first of one: only so a log that ends exactly there can be told
  // from one that lost a segment.
  const begin = segmentStart(from - FIRST_PAGE_HEADER - 1n, segmentBytes)
  const files = await assembleForward(request, begin, segmentBytes, join(request.workDir, 'wal'))
  const missing = (position: bigint) =>
    `the WAL of timeline ${request.timeline} at ${formatLsn(position)} is neither in ${request.walDir} nor in the archive`
  if (files.end === begin) return nothing(missing(begin))
  if (files.beyondGap) return nothing(`${missing(files.end)}, but ${files.beyondGap} is there`)
  const tally = createTally(request.from)
  const reading = await read(request, files, begin, tally)
  if (reading.nothingFound) return nothing(`pg_waldump found no record from ${formatLsn(begin)} on: ${reading.message}`)
  const stoppedAt = reading.stoppedAt
  if (stoppedAt !== undefined && stoppedAt < files.end - 2n * BigInt(segmentBytes)) return nothing(`the WAL is damaged: ${reading.message}`)
  const back = tally.coversAll() ? { changes: tally.changes, complete: true } : await lookBack(request, tally, files, segmentBytes)
  const last = formatLsn(stoppedAt ?? files.end)
  return { commits: tally.commits, changesByTable: back.changes, end: parseLsn(last) < from ? request.from : last, complete: back.complete }
}

/** Some committed transaction began before what was read: reads again, from ever further back, for what it changed there. */
async function lookBack(
  request: WalkRequest,
  forward: Tally,
  files: Assembled,
  segmentBytes: number,
): Promise<{ changes: Map<string, Changes>; complete: boolean }> {
  let first = files.begin
  let found = forward
  for (let reach = 1; ; reach *= 4) {
    const oldest = await linkBackwards(request, first, reach, segmentBytes, files.folder)
    if (oldest === first) return { changes: found.changes, complete: await beganAt(request, first, segmentBytes) }
    first = oldest
    const tally = createTally(request.from)
    await read(request, files, first, tally)
    found = tally
    if (found.coversAll()) return { changes: found.changes, complete: true }
  }
}

async function linkBackwards(source: WalSource, first: bigint, reach: number, segmentBytes: number, folder: string): Promise<bigint> {
  let oldest = first
  for (let step = 0; step < reach; step++) {
    const before = oldest - BigInt(segmentBytes)
    if (before < BigInt(segmentBytes) || !(await linkSegment(source, before, segmentBytes, folder))) break
    oldest = before
  }
  return oldest
}

/** True where the timeline began in this segment: no transaction of it is older. */
async function beganAt({ walDir, timeline }: WalkRequest, position: bigint, segmentBytes: number): Promise<boolean> {
  if (timeline === 1) return position <= BigInt(segmentBytes)
  const history = await readFile(join(walDir, historyName(timeline)), 'utf8').catch(() => '')
  const start = forkPoint(history, timeline - 1)
  return start !== undefined && parseLsn(start) >= position
}

/**
 * pg_waldump exits 1 at every end of a log, which is none of the failures that end a stream early: the shell keeps its
 * code and its message apart from the records.
 */
async function read(request: WalkRequest, { folder, end }: Assembled, start: bigint, tally: Tally): Promise<Reading> {
  const messages = join(request.workDir, 'messages')
  const chain = startChain([waldump(request, folder, { start, end }, messages)], { signal: request.signal })
  let ended = ''
  for await (const lines of linesOf(chain.stdout)) {
    for (const line of lines) {
      if (line.startsWith('exit ')) ended = line
      else tally.add(line)
    }
  }
  await chain.done
  const message = (await readFile(messages, 'utf8')).trim()
  if (ended !== 'exit 0' && ended !== 'exit 1')
    throw new HoldfastError('PROCESS_FAILED', `pg_waldump of ${folder} ended with "${ended}": ${message}`, { object: folder })
  const at = /error in WAL record at ([0-9A-F]+\/[0-9A-F]+)/.exec(message)?.[1]
  return {
    nothingFound: tally.records === 0 && /could not find a valid record/.test(message),
    stoppedAt: at ? parseLsn(at) : undefined,
    message,
  }
}

const KEEP_MESSAGES = 'messages=$1; shift; "$@" 2>"$messages"; echo "exit $?"'
const MANAGERS = ['Heap', 'Heap2', 'Transaction', 'Standby'].flatMap((name) => ['-r', name])

function waldump(request: WalkRequest, folder: string, range: { start: bigint; end: bigint }, messages: string): Command {
  // Told where the files end, it does not wait five seconds for the next one to appear.
  const args = ['-p', folder, '-t', String(request.timeline), '-s', formatLsn(range.start), '-e', formatLsn(range.end), ...MANAGERS]
  return {
    program: 'sh',
    args: ['-c', KEEP_MESSAGES, 'sh', messages, join(request.binDir, 'pg_waldump'), ...args],
    env: { TZ: 'UTC', LC_ALL: 'C' },
  }
}

/** Many lines at a time: one by one, the waiting would cost more than the reading. */
async function* linesOf(stream: Readable): AsyncGenerator<string[]> {
  stream.setEncoding('utf8')
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + (chunk as string)).split('\n')
    rest = lines.pop() ?? ''
    yield lines
  }
  if (rest) yield [rest]
}

/** Before 15 pg_waldump takes one resource manager only, and would leave out the rest without a word. */
async function requireVersion({ binDir }: WalkRequest): Promise<void> {
  const { stdout } = await run({ program: join(binDir, 'pg_waldump'), args: ['--version'] })
  const major = Number(/\) (\d+)/.exec(stdout)?.[1])
  if (!(major >= 15))
    throw new HoldfastError('VERSION_UNFIT', `${binDir}/pg_waldump is ${stdout.trim()}: 15 or later is needed`, { object: binDir })
}
