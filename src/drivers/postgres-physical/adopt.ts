/** Backups of a stanza that no point references, as points: nothing is copied, the engine keeps them where they are. */
import { HoldfastError } from '../../core/errors.ts'
import type { Adoption, ArtifactSink, Captured, DriverContext, FoundBackup, FoundBackups } from '../driver.ts'
import { type Capturing, referenceTo, storePassphrase } from './capture.ts'
import type { EngineBackup, EngineInfo, PhysicalEngine } from './engine.ts'

export function createAdoption(on: Capturing): Adoption {
  const { engine } = on
  return {
    async find(_, from, known, own = known) {
      const strange = from.find((name) => name !== engine.stanza)
      if (strange !== undefined)
        throw new HoldfastError('INPUT_INVALID', `this source has the stanza ${engine.stanza}, not ${strange}`, {
          object: strange,
          next: `name ${engine.stanza}, or nothing`,
        })
      return sorted(engine, await engine.info(), { known, own })
    },
    take: (_context: DriverContext, backup, _id, sink) => take(on, backup, sink),
  }
}

/** Labels of the points of all sources with this stanza, and of this one. */
interface Points {
  known: ReadonlySet<string>
  own: ReadonlySet<string>
}

/** The engine's order is that of time: what others build on comes first. */
function sorted({ stanza }: PhysicalEngine, info: EngineInfo, { known, own }: Points): FoundBackups {
  const found: FoundBackups = { backups: [], already: 0, left: [] }
  const points = new Set(own)
  for (const backup of info.backups) {
    const from = `stanza ${stanza}, ${backup.label}`
    if (known.has(backup.label)) {
      found.already += 1
      continue
    }
    const why = unfit(backup, info, { known, own: points })
    if (why !== undefined) found.left.push({ from, ...why })
    else found.backups.push(describe(backup, from))
    if (why === undefined) points.add(backup.label)
  }
  return found
}

function unfit(
  { pointId, givenUp, systemId, needs }: EngineBackup,
  info: EngineInfo,
  { known, own }: Points,
): { why: string; broken: boolean } | undefined {
  if (givenUp) return { why: 'its point was given up: it goes as soon as the engine lets it', broken: false }
  if (pointId !== undefined)
    return { why: `Holdfast took it for ${pointId}, which is no point: a run takes it at this moment, or it was deleted`, broken: false }
  if (systemId !== info.systemId) return { why: `it is of another database system, ${systemId}`, broken: false }
  const missing = needs.filter((label) => !own.has(label))
  if (missing.length === 0) return undefined
  const others = missing.filter((label) => known.has(label))
  // A point keeps what it builds on from going, of its own source only.
  if (others.length > 0)
    return { why: `it builds on ${others.join(', ')}, of which another source has the point: adopt it for that one`, broken: false }
  return { why: `it builds on ${missing.join(', ')}, which is and becomes no point`, broken: true }
}

function describe({ label, type, startedAt, stoppedAt, sizeBytes, pageErrors }: EngineBackup, from: string): FoundBackup {
  return {
    origin: label,
    from,
    kind: type,
    createdAt: startedAt,
    completedAt: stoppedAt,
    description: `adopted from ${from}`,
    tags: ['adopted'],
    sizeBytes,
    warnings: [
      'it was taken without a mark and without a look at its contents: a restore stops at the end of the backup, and a proof compares no contents',
      ...(pageErrors
        ? [`pages of the cluster failed their checksum while ${label} was copied: pgbackrest info --set=${label} names them`]
        : []),
    ],
  }
}

async function take(
  on: Capturing,
  { origin, warnings }: FoundBackup,
  sink: ArtifactSink,
): Promise<Captured & { versions: Record<string, string> }> {
  const { engine } = on
  const { backups, postgresVersion } = await engine.info()
  const backup = backups.find(({ label }) => label === origin)
  if (!backup)
    throw new HoldfastError('NOT_FOUND', `the stanza ${engine.stanza} has no backup ${origin} any more`, {
      object: origin,
      next: 'keep pgBackRest from expiring by itself, and start the adoption again',
    })
  return {
    artifacts: await storePassphrase(engine, sink),
    reference: await referenceTo(on, backup),
    consistency: { time: backup.stoppedAt, lsn: backup.lsnStop, timeline: backup.timeline, systemId: backup.systemId },
    sizeBytes: backup.sizeBytes,
    storedBytes: backup.addedBytes,
    fileCount: await engine.fileCount(backup.label),
    warnings,
    versions: { ...(postgresVersion && { postgresql: postgresVersion }), [engine.kind]: await engine.version() },
  }
}
