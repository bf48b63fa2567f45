/**
 * A restore in the place of the cluster, or onto a host that has none: filled and compared beside its data directory, then
 * swapped by two renames. The server itself ends the recovery, so that its new timeline is archived from the beginning.
 */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { parseLsn, segmentName, segmentOf } from '../../core/wal.ts'
import { shellWord } from '../../core/shell.ts'
import { requireConfirmed } from '../common/confirm.ts'
import type { ArtifactSource, DriverContext, LiveRestore, RestoreChoice, Swapped, UserAssertion } from '../driver.ts'
import { destroyInstance, stopInstance } from '../postgres-common/instance.ts'
import type { PhysicalEngine } from './engine.ts'
import { type Ending, endingOf } from './live-ending.ts'
import { fingerprintOf, type LivePlace, lookAt, requireStopped } from './live-place.ts'
import { forgetRecovery, guarded, settle } from './live-settings.ts'
import { reload, type Started, type Writable } from './live-start.ts'
import { asideOf, ended, exchange, type Exchanged, putBack } from './live-swap.ts'
import { chosen, fillCopy, type Restoring } from './restore.ts'
import { requireSpace } from './space.ts'
import { switchAndAwait } from './switch-wal.ts'
import { verifyPhysical } from './verify.ts'

export interface LiveOn {
  place: LivePlace
  /** This host's. */
  engine: PhysicalEngine
  restoring(manifest: Manifest, source: ArtifactSource): Restoring
  assertions: readonly UserAssertion[]
}

/** In the folder of a copy: how its recovery is to end. */
const ENDING_FILE = 'holdfast-ending.json'
const QUIET: DriverContext = { signal: new AbortController().signal, onProgress: () => {} }

export function createLive(on: LiveOn): LiveRestore {
  return {
    fingerprint: () => fingerprintOf(on.place),
    async check(manifest, confirm, choice) {
      const place = on.place
      const { standby } = await lookAt(place)
      if (standby)
        throw new HoldfastError('SOURCE_UNFIT', `${place.dataDir} is a standby, and follows what its primary has`, {
          object: place.dataDir,
          next: 'restore over the primary, and clone this standby anew',
        })
      await requireCluster(place, manifest, confirm)
      await requireSpace(dirname(place.dataDir), manifest.sizeBytes, 'move the data directory to a larger file system')
      if (!place.service) await requireStopped(place)
      await endingOf(on.engine, manifest, chosen(choice))
    },
    restoreAside: (context, manifest, source, given) => restoreAside(on, context, manifest, source, given?.choice),
    async swap(manifest, confirm, made = '', filling) {
      const place = on.place
      const context = filling?.context ?? QUIET
      const wanted = {
        made,
        confirmed: () => requireCluster(place, manifest, confirm),
        stillWanted: async () => filling?.stillWanted?.(),
      }
      const done = await exchange(place, manifest, wanted, context)
      return finish(on, place, made, done, context)
    },
    async removeAside(manifest) {
      await putBack(on.place, QUIET)
      await removeAsides(on.place, manifest)
    },
  }
}

async function requireCluster(place: LivePlace, manifest: Manifest, confirm: string): Promise<void> {
  const fingerprint = await fingerprintOf(place)
  const absent = fingerprint.endsWith(':absent')
  requireConfirmed(manifest, confirm, {
    fingerprint,
    target: absent ? `the place of the cluster, where none is yet, has` : `the cluster in ${place.dataDir} has`,
    meaning: absent ? 'this is where it belongs' : 'this is the cluster to replace',
  })
}

async function restoreAside(
  on: LiveOn,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
  choice: RestoreChoice | undefined,
): Promise<{ database: string; oid: string; bytes: number }> {
  const place = on.place
  const { dataDir, binDir, osUser } = place
  await mkdir(dirname(dataDir), { recursive: true, mode: 0o755 })
  await putBack(place, context)
  await removeAsides(place, manifest)
  // A name of this try's own: an earlier one that was frozen and thaws goes on writing to a folder that has gone.
  const dir = `${asidePrefix(dataDir, manifest)}${crypto.randomUUID().slice(0, 4)}`
  try {
    const ending = await endingOf(on.engine, manifest, chosen(choice))
    const filled = await fillCopy(on.restoring(manifest, source), context, manifest, { dir, to: ending.aside })
    const { engine, ownWal, restored } = filled
    await requireEqual(on, { binDir, osUser }, context, manifest, restored.target)
    await requireOneFolder(join(dir, 'data'))
    await stopInstance({ dataDir: join(dir, 'data') })
    const { stop, timeline } = ending.live ?? filled
    const restoreCommand = guarded(engine.restoreCommand({ dataDir, workDir: join(dir, 'engine') }), ownWal)
    await settle(dir, dataDir, { stop, timeline, restoreCommand }, osUser)
    await writeFile(join(dir, ENDING_FILE), JSON.stringify(ending))
    return { database: dataDir, oid: `${basename(dir)}/${(await stat(join(dir, 'data'))).ino}`, bytes: restored.bytes }
  } catch (error) {
    await destroyInstance(dir).catch(() => {})
    throw error
  }
}

async function requireEqual(
  { assertions }: LiveOn,
  by: Pick<LivePlace, 'binDir' | 'osUser'>,
  context: DriverContext,
  manifest: Manifest,
  target: Parameters<typeof verifyPhysical>[3],
): Promise<void> {
  const found = await verifyPhysical(by, context, manifest, target, { depth: 'restore', assertions })
  const red = found.filter(({ ok }) => !ok)
  if (red.length === 0) return
  throw new HoldfastError(
    'VERIFY_FAILED',
    red.map(({ name, expected, actual }) => `${name}: expected ${expected}, found ${actual}`).join('; '),
    {
      object: `${manifest.source}/${manifest.id}`,
      next: `holdfast verify ${manifest.source} ${manifest.id} --depth full; if that fails use a different recovery point`,
    },
  )
}

/** What lies elsewhere has a place that the copy cannot take. */
async function requireOneFolder(dataDir: string): Promise<void> {
  const [space] = await readdir(join(dataDir, 'pg_tblspc'))
  if (space === undefined) return
  throw new HoldfastError('SOURCE_UNFIT', 'the cluster has tablespaces outside of its data directory', {
    object: `tablespace ${space}`,
    next: 'stop the server, and restore by hand with pgbackrest restore --tablespace-map-all',
  })
}

/** Short: a socket has to fit below it. */
const asidePrefix = (dataDir: string, { id }: Manifest): string => `${dataDir}.${id}-`

async function removeAsides({ dataDir }: LivePlace, manifest: Manifest): Promise<void> {
  const prefix = basename(asidePrefix(dataDir, manifest))
  const names = await readdir(dirname(dataDir)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] as string[]
    throw error
  })
  for (const name of names) if (name.startsWith(prefix)) await destroyInstance(join(dirname(dataDir), name))
}

async function finish(on: LiveOn, place: LivePlace, made: string, { kept, started }: Exchanged, context: DriverContext): Promise<Swapped> {
  const { dataDir, osUser } = place
  const aside = asideOf(dataDir, made)
  const ending = await readFile(join(aside, ENDING_FILE), 'utf8').then(
    (text) => JSON.parse(text) as Ending,
    () => undefined,
  )
  const warnings: string[] = []
  if (started) {
    await forgetRecovery(dataDir, osUser)
    await reload(place)
    warnings.push(...(await lacking(on, place, started, ending, context)))
  } else warnings.push(`nobody said how the server on ${dataDir} is started: start it; it ends its recovery then, and takes writes`)
  await ended(place, made)
  return {
    database: dataDir,
    ...(kept !== undefined && { keptAs: kept }),
    notes: [
      ...(ending ? [`it goes on from ${ending.said}`] : []),
      ...(started && 'lsn' in started ? [`it takes writes on timeline ${started.timeline}, since ${started.lsn}`] : []),
      ...(kept === undefined ? [] : [`what was replaced is kept at ${kept}; to end it: rm -r ${shellWord(kept)}`]),
      ...(started
        ? []
        : [`once it takes writes: rm -r ${shellWord(aside)}, and remove the lines of its recovery from ${dataDir}/postgresql.auto.conf`]),
      ...(started && 'unseen' in started ? ['once the connection of the source leads to it and its role can log in: holdfast doctor'] : []),
      'replication slots are in no backup, and standbys of before follow another timeline: make the slots, and clone each standby anew that is not said to stream again',
    ],
    ...(warnings.length > 0 && { warnings }),
  }
}

async function lacking(
  on: LiveOn,
  place: LivePlace,
  started: Started,
  ending: Ending | undefined,
  context: DriverContext,
): Promise<string[]> {
  if ('lsn' in started) return [...(await short(place, started, ending)), ...(await unarchived(on, place, context))]
  return [
    `its server runs on ${place.dataDir} and has ended its recovery, but whether it takes writes and archives is not known: ${started.unseen}`,
  ]
}

/** Where the new timeline left the old one, against the end of the archive. */
async function short({ dataDir }: LivePlace, { timeline }: Writable, ending: Ending | undefined): Promise<string[]> {
  if (ending?.newest === undefined) return []
  const file = join(dataDir, 'pg_wal', `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`)
  const history = await readFile(file, 'utf8').catch(() => undefined)
  if (history === undefined)
    return [`whether replay reached the end of the archive, ${ending.newest}, is not known: ${file} cannot be read`]
  const [, lsn = '0/0'] = history.trim().split('\n').at(-1)?.split('\t') ?? []
  const last = segmentName(
    { timeline: ending.live?.timeline ?? 0, number: segmentOf(parseLsn(lsn) - 1n, ending.segmentBytes) },
    ending.segmentBytes,
  )
  return last >= ending.newest ? [] : [`replay ended at ${lsn}, before the end of the archive, ${ending.newest}`]
}

/** A cluster that archives nothing has its last recoverable moment behind it. */
async function unarchived({ engine }: LiveOn, { connection }: LivePlace, context: DriverContext): Promise<string[]> {
  return switchAndAwait(engine, connection, context).then(
    () => [],
    (error: unknown) => (context.signal.aborted ? Promise.reject(error) : [`it does not archive: ${messageOf(error)}`]),
  )
}
