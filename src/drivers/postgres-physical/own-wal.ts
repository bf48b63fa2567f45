/**
 * The WAL from the end of a backup to the mark after it, as artifacts of the point: with it the point reaches its mark, and
 * what was recorded there, also when the archive around it has expired. What lies before, the engine keeps with the backup.
 */
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Manifest } from '../../core/records.ts'
import { DEFAULT_SEGMENT_BYTES, parseLsn, parseSegmentName, segmentBefore, segmentName } from '../../core/wal.ts'
import type { ArtifactSink, ArtifactSource } from '../driver.ts'
import { removeOwnFolder } from '../common/own-folder.ts'
import { giveTo, makeFolder, makeScratchFolder, postgresUser } from '../postgres-common/folder.ts'
import type { PhysicalEngine } from './engine.ts'

const ROLE = 'wal'

/** The segments after the one in which the backup ended, to the one that holds the mark. */
export function segmentsToMark(walStop: string, mark: string, segmentBytes = DEFAULT_SEGMENT_BYTES): string[] {
  const stop = parseSegmentName(walStop, segmentBytes)
  if (!stop) throw new HoldfastError('INTEGRITY', `"${walStop}" is not the name of a WAL segment`, { object: walStop })
  const count = Math.max(0, segmentBefore(parseLsn(mark), segmentBytes) - stop.number)
  return Array.from({ length: count }, (_, index) =>
    segmentName({ timeline: stop.timeline, number: stop.number + 1 + index }, segmentBytes),
  )
}

/** Whether a restore of the point stops where its proof does, with no WAL but its own and its backup's. */
export function hasOwnWal({ reference, consistency, artifacts }: Manifest): boolean {
  const { restorePoint, lsn } = consistency
  if (!reference || !restorePoint || !lsn) return true
  const own = artifacts.filter(({ role }) => role === ROLE).map(({ part }) => part)
  return segmentsToMark(reference.walStop, lsn, segmentBytesOf(reference)).every((wal) => own.includes(partOf(wal)))
}

const partOf = (wal: string) => `wal/${wal}`
const segmentBytesOf = ({ segmentBytes }: NonNullable<Manifest['reference']>) =>
  typeof segmentBytes === 'number' ? segmentBytes : DEFAULT_SEGMENT_BYTES

export interface Workplace {
  engine: PhysicalEngine
  scratchDir?: string | undefined
  osUser?: string | undefined
}

const prefixOf = ({ engine }: Workplace, id: string) => `holdfast-wal-${engine.stanza}-${id}-`
const rootOf = ({ scratchDir }: Workplace) => scratchDir ?? tmpdir()

/** Takes the segments from the archive into the point, one after the other. */
export async function storeOwnWal(
  on: Workplace,
  wanted: string[],
  { id, attempt }: { id: string; attempt: number },
  sink: ArtifactSink,
): Promise<Artifact[]> {
  const stored: Artifact[] = []
  if (wanted.length === 0) return stored
  await removeLeftWal(on, id)
  const dir = join(rootOf(on), `${prefixOf(on, id)}${attempt}`)
  await makeScratchFolder(dir, on.osUser)
  try {
    for (const wal of wanted) {
      const file = join(dir, wal)
      if (!(await on.engine.archiveGet(wal, file)))
        throw new HoldfastError('ARCHIVE_UNHEALTHY', `the archive of ${on.engine.stanza} has no ${wal}, which was archived a moment ago`, {
          object: wal,
        })
      const cat = { program: 'cat', args: [file], user: postgresUser(on.osUser), cwd: '/' }
      stored.push(await sink.store({ part: partOf(wal), role: ROLE, required: true, stages: [cat] }))
    }
  } finally {
    await removeOwnFolder(dir)
  }
  return stored
}

/** What a try left that was killed. */
export async function removeLeftWal(on: Workplace, id: string): Promise<void> {
  const root = rootOf(on)
  for (const name of await readdir(root).catch(() => [])) if (name.startsWith(prefixOf(on, id))) await removeOwnFolder(join(root, name))
}

/** Lays the segments out in a folder of a copy. */
export async function layOutOwnWal({ artifacts }: Manifest, source: ArtifactSource, dir: string, osUser?: string): Promise<void> {
  await makeFolder(dir, osUser)
  const user = postgresUser(osUser)
  for (const artifact of artifacts.filter(({ role }) => role === ROLE)) {
    const file = join(dir, artifact.part.slice(partOf('').length))
    await source.toFile(artifact, file)
    if (user) await giveTo(user, file)
  }
}
