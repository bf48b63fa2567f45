/** Which segment files of a timeline there are, in pg_wal or in the archive, put together in one folder to read. */
import { open, mkdir, readdir, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { segmentName, segmentStart } from './wal-position.ts'

/** Writes the named segment to the path; false where the archive has none. */
export type ArchiveGet = (segment: string, into: string) => Promise<boolean>

export interface WalSource {
  walDir: string
  archiveGet?: ArchiveGet | undefined
  timeline: number
}

const SEGMENT = /^[0-9A-F]{24}$/
const HEADER_BYTES = 40

interface Header {
  pageAddress: bigint
  segmentBytes: number
}

/** What the first page of a segment file says of itself; undefined where it is none. */
async function headerOf(path: string): Promise<Header | undefined> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return undefined
  try {
    const buffer = Buffer.alloc(HEADER_BYTES)
    const { bytesRead } = await file.read(buffer, 0, HEADER_BYTES, 0)
    const isWal = bytesRead === HEADER_BYTES && (buffer.readUInt16LE(0) & 0xff00) === 0xd100
    return isWal ? { pageAddress: buffer.readBigUInt64LE(8), segmentBytes: buffer.readUInt32LE(32) } : undefined
  } finally {
    await file.close()
  }
}

/** Bytes of a segment of this cluster, as any of its files says; undefined where none can be read. Throws what readdir throws. */
export async function segmentBytesOf(walDir: string): Promise<number | undefined> {
  for (const name of (await readdir(walDir)).filter((one) => SEGMENT.test(one))) {
    const header = await headerOf(join(walDir, name))
    if (header && header.segmentBytes > 0) return header.segmentBytes
  }
  return undefined
}

/**
 * Links the segment into `folder`. A file of that name may be one that was recycled for later and still holds older
 * pages: the address on its first page tells, and then the archive is asked.
 */
export async function linkSegment(source: WalSource, position: bigint, segmentBytes: number, folder: string): Promise<boolean> {
  const name = segmentName(source.timeline, position, segmentBytes)
  const local = join(source.walDir, name)
  const target = join(folder, name)
  if ((await headerOf(local))?.pageAddress === segmentStart(position, segmentBytes)) {
    await symlink(local, target)
    return true
  }
  if (!source.archiveGet || !(await source.archiveGet(name, target))) return false
  return (await headerOf(target))?.pageAddress === segmentStart(position, segmentBytes)
}

export interface Assembled {
  folder: string
  begin: bigint
  /** Position after the last segment found without a gap. */
  end: bigint
  /** A segment of this timeline that stands after a gap: the log goes on behind what can be read. */
  beyondGap: string | undefined
}

/** Links every segment from the one that holds `from`, until one is in neither place. */
export async function assembleForward(source: WalSource, from: bigint, segmentBytes: number, folder: string): Promise<Assembled> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const begin = segmentStart(from, segmentBytes)
  let end = begin
  while (await linkSegment(source, end, segmentBytes, folder)) end += BigInt(segmentBytes)
  return { folder, begin, end, beyondGap: await firstBeyond(source, end, segmentBytes) }
}

async function firstBeyond({ walDir, timeline }: WalSource, end: bigint, segmentBytes: number): Promise<string | undefined> {
  const prefix = segmentName(timeline, end, segmentBytes).slice(0, 8)
  for (const name of (await readdir(walDir)).filter((one) => SEGMENT.test(one) && one.startsWith(prefix)).sort()) {
    const header = await headerOf(join(walDir, name))
    const itsOwn = header && segmentName(timeline, header.pageAddress, segmentBytes) === name
    if (itsOwn && header.pageAddress >= end) return name
  }
  return undefined
}
