/** The data directory of a source on its own host: whose cluster is there, and whether a server works on it. */
import { lstat, readdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { processesIn } from '../../process/in-folder.ts'
import type { PhysicalSourceConfig } from './config.ts'
import { readControlData } from './controldata.ts'
import { begun } from './live-note.ts'

export interface LivePlace {
  host: string
  dataDir: string
  service?: { stop: readonly string[]; start: readonly string[] } | undefined
  binDir: string
  osUser?: string | undefined
  connection: string
}

/** Why a restore takes the place of nothing here, as what to do about it. */
export function placeless({ dataDir, stanza }: PhysicalSourceConfig): string | undefined {
  if (dataDir !== undefined) return undefined
  return `restore it beside; or give the source of ${stanza} its dataDir, and service with stop and start, like [systemctl, stop, postgresql@15-main]`
}

export function placeOf({ host, dataDir, service, binDir, osUser }: PhysicalSourceConfig, connection: string): LivePlace {
  return { host, dataDir: dataDir ?? '', service, binDir, osUser, connection }
}

export interface Found {
  /** Undefined where there is no folder, or nothing in it. */
  systemId?: string
  standby: boolean
}

/** Throws SOURCE_UNFIT where something is there that is no cluster, or cannot be renamed. */
export async function lookAt({ dataDir, binDir, osUser }: LivePlace): Promise<Found> {
  const found = await statOf(dataDir)
  if (!found) return { standby: false }
  if (!found.isDirectory()) throw unfit(dataDir, `${dataDir} is no folder`, 'name the folder itself as dataDir, and no link to it')
  if (found.dev !== (await stat(dirname(dataDir))).dev)
    throw unfit(dataDir, `${dataDir} is where a file system is mounted, so nothing can take its place`, 'use a folder below it as dataDir')
  const names = await readdir(dataDir)
  if (names.length === 0) return { standby: false }
  if (await statOf(`${dataDir}/global/pg_control.fenced`))
    throw unfit(
      dataDir,
      `${dataDir} was fenced by a failover`,
      'where nobody wants what is there: lift the mask of its server, move it away, and start the restore again',
    )
  if (!(await statOf(`${dataDir}/global/pg_control`)))
    throw unfit(dataDir, `${dataDir} holds files, and they are no cluster`, 'look at them, and move them away')
  const control = await readControlData({ dataDir, binDir, osUser })
  return { systemId: control['Database system identifier'] ?? 'unknown', standby: names.includes('standby.signal') }
}

/** Which cluster this is beyond doubt, whether it runs or not. */
export async function fingerprintOf(place: LivePlace): Promise<string> {
  const systemId = (await lookAt(place)).systemId ?? (await setAside(place))
  return `${place.host}:${place.dataDir}:${systemId ?? 'absent'}`
}

/** Of the cluster that a restore left beside its place when it was killed between its two renames: it is the one that is meant. */
async function setAside(place: LivePlace): Promise<string | undefined> {
  const under = await begun(place.dataDir)
  return under && (await lookAt({ ...place, dataDir: under.kept })).systemId
}

export async function isRunning({ dataDir }: Pick<LivePlace, 'dataDir'>): Promise<boolean> {
  return (await processesIn(dataDir)).length > 0
}

/** Throws SOURCE_LOCKED while a server works on it. */
export async function requireStopped(place: LivePlace): Promise<void> {
  const [first] = await processesIn(place.dataDir)
  if (!first) return
  throw new HoldfastError('SOURCE_LOCKED', `${first.name} (pid ${first.pid}) works on ${place.dataDir}`, {
    object: place.dataDir,
    retryable: false,
    next: 'stop the server, and start the restore with --no-safety-backup; or give the source service.stop and service.start',
  })
}

export async function statOf(path: string) {
  return lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** An empty folder is none. */
export async function isThere(path: string): Promise<boolean> {
  return (await statOf(path)) !== undefined && (await readdir(path)).length > 0
}

function unfit(object: string, message: string, next: string): HoldfastError {
  return new HoldfastError('SOURCE_UNFIT', message, { object, next })
}
