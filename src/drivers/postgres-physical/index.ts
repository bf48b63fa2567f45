/** PostgreSQL, physically: points that reference an engine's backups, and any moment between them by its WAL. */
import type { Readable } from 'node:stream'
import type { PhysicalSourceConfig } from './config.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { PitrChoice, Windows } from '../../core/planning.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import { DEFAULT_SEGMENT_BYTES } from '../../core/wal.ts'
import type {
  ArchiveExpiry,
  ArchiveKeeping,
  ArtifactSource,
  DriverContext,
  Restored,
  RestoreTarget,
  DriverWiring,
  SourceDriver,
} from '../driver.ts'
import { parseConnection } from '../postgres-common/connect.ts'
import { destroyInstance } from '../postgres-common/instance.ts'
import { mark } from '../postgres-common/mark.ts'
import { createAdoption } from './adopt.ts'
import { expireArchive } from './archive-expiry.ts'
import { archiveHealth, type ArchiveHealth } from './archive-health.ts'
import { capturePhysical } from './capture.ts'
import type { PhysicalEngine, Verdict } from './engine.ts'
import { discardCapture } from './given-up.ts'
import { createLive } from './live.ts'
import { placeless, placeOf } from './live-place.ts'
import { listReference } from './look.ts'
import { removeLeftWal } from './own-wal.ts'
import { createPgbackrest } from './pgbackrest.ts'
import { configFromReference } from './pgbackrest-config.ts'
import { preflightPhysical } from './preflight.ts'
import { referenceOf, restorePhysical, type RestoreOptions, type Restoring } from './restore.ts'
import { switchAndAwait } from './switch-wal.ts'
import { verifyPhysical } from './verify.ts'
import { planRecovery, recoverableWindow } from './window.ts'

export interface PhysicalOptions {
  /** Another engine, or the same with another configuration. */
  engine?: PhysicalEngine
  /** Bytes of a WAL segment, where initdb was told otherwise. */
  segmentBytes?: number
  /**
   * On a host that has no configuration of the engine: one is written from the manifest and its encrypted passphrase.
   * Holds what the manifest must not: keys of the store, by the engine's own names (`repo1-s3-key`, …).
   */
  fromManifest?: { settings: Record<string, string> }
}

export interface PhysicalDriver extends SourceDriver {
  restore(context: DriverContext, manifest: Manifest, source: ArtifactSource, options: RestoreOptions): Promise<Restored>
  /** Removes the engine's backup of a point. Throws POINT_PROTECTED where another needs it. May be called twice. */
  expirePoint(label: string): Promise<void>
  dependentsOf(label: string): Promise<string[]>
  discardCapture(context: DriverContext, id: string, published: readonly string[]): Promise<void>
  /**
   * Removes WAL before the newest `keepFulls` full backups, except what older ones need to be consistent; by default only
   * what lies before the oldest backup, so that every kept point still reaches its mark.
   */
  expireWal(keepFulls?: number): Promise<void>
  expireArchive(keeping: ArchiveKeeping): Promise<ArchiveExpiry>
  switchWal(context?: DriverContext): Promise<string>
  window(): Promise<Windows>
  /** The base for a target: its label, its point where it has one, the timeline to follow. Changes nothing. */
  plan(target: RestoreTarget, manifests?: readonly Manifest[]): Promise<PitrChoice & { pointId?: string }>
  archiveHealth(): Promise<ArchiveHealth>
  listReference(manifest: Manifest): Promise<Assertion[]>
  /** Reads the engine's whole repository again: the depth `read` of points that reference it. */
  verifyRepository(context: DriverContext, manifest?: Manifest): Promise<Verdict>
}

const QUIET: DriverContext = { signal: new AbortController().signal, onProgress: () => {} }

export const createDriver = async (config: PhysicalSourceConfig, wiring: DriverWiring): Promise<SourceDriver> =>
  createPostgresPhysical(config, await wiring.connection())

export function createPostgresPhysical(config: PhysicalSourceConfig, connection: string, options: PhysicalOptions = {}): PhysicalDriver {
  const { binDir, osUser, stanza, barrier, scratchDir } = config
  const segmentBytes = options.segmentBytes ?? DEFAULT_SEGMENT_BYTES
  const engine = options.engine ?? createPgbackrest({ configFile: config.pgbackrestConfig, stanza, osUser, segmentBytes })

  const capturing = { engine, connection, barrier, segmentBytes, binDir, scratchDir, osUser }

  /** The engine to restore with: this host's, or one made from what the point itself holds. */
  async function engineFor(manifest: Manifest, source: ArtifactSource, workDir: string): Promise<PhysicalEngine> {
    if (!options.fromManifest) return engine
    const reference = referenceOf(manifest)
    const artifact = manifest.artifacts.find(({ role }) => role === 'passphrase')
    const passphrase = artifact ? await textOf(await source.read(artifact)) : undefined
    const { settings } = options.fromManifest
    const configFile = await configFromReference({
      reference,
      dir: workDir,
      osUser,
      settings,
      ...(passphrase === undefined ? {} : { passphrase }),
    })
    return createPgbackrest({ configFile, stanza: reference.stanza, osUser, segmentBytes })
  }

  function restoring(manifest: Manifest, source: ArtifactSource): Restoring {
    const { user, dbname } = parseConnection(connection)
    const reference = referenceOf(manifest)
    const role = user ?? String(reference.role ?? 'postgres')
    const database = dbname ?? String(reference.database ?? role)
    const engineOf = (workDir: string) => engineFor(manifest, source, workDir)
    return { engine: engineOf, artifacts: source, binDir, osUser, role, database }
  }

  async function expireWal(keepFulls?: number): Promise<void> {
    const fulls = (await engine.info()).backups.filter(({ type }) => type === 'full').length
    const kept = keepFulls ?? fulls
    if (fulls === 0) return
    if (!Number.isInteger(kept) || kept < 1) {
      throw new HoldfastError('INPUT_INVALID', `keepFulls is ${keepFulls}`, {
        object: 'keepFulls',
        next: 'keep the WAL of one full backup at least',
      })
    }
    await engine.expireWal(kept)
  }

  const live = createLive({
    place: placeOf(config, connection),
    engine,
    restoring,
    assertions: config.verify.assertions.map(({ name, sql }) => ({ name: name ?? sql, sql })),
  })
  const why = placeless(config)

  return {
    kind: 'postgres-physical',
    capabilities: { pointInTime: true, incremental: true, hostBound: true, parts: false, choices: ['to'] },
    mark: (_, label) => mark(connection, label),
    preflight: () => preflightPhysical(config, connection, engine),
    capture: (context, request, sink) => capturePhysical(capturing, context, request, sink),
    adoption: createAdoption(capturing),
    restore: (context, manifest, source, options) => restorePhysical(restoring(manifest, source), context, manifest, options),
    ...(why === undefined ? { live } : { notLive: why }),
    verify: (context, manifest, target, verifying) => verifyPhysical({ binDir, osUser }, context, manifest, target, verifying),
    destroy: ({ dir }) => destroyInstance(dir),
    async expirePoint(label) {
      await engine.expire(label)
      await expireWal()
    },
    dependentsOf: (label) => engine.dependentsOf(label),
    async discardCapture(context, id, published) {
      await removeLeftWal({ engine, scratchDir }, id)
      await discardCapture(engine, context, id, published)
    },
    expireWal,
    expireArchive: (keeping) => expireArchive(engine, keeping),
    switchWal: (context = QUIET) => switchAndAwait(engine, connection, context),
    window: () => recoverableWindow(engine),
    plan: (target, manifests) => planRecovery(engine, target, manifests),
    archiveHealth: () => archiveHealth(connection),
    listReference: (manifest) => listReference(engine, manifest),
    verifyRepository({ signal }, manifest) {
      const reference = manifest && referenceOf(manifest)
      return engine.verify({ signal, ...(reference && { labels: [reference.label, ...reference.needs] }) })
    },
  }
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Buffer))
  return Buffer.concat(chunks).toString('utf8')
}
