/** Where a point is tried: a namespace on a private dev server, or one of its own on the cluster that the source names for it. */
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { DriverWiring } from '../driver.ts'
import { makeOwnFolder, removeOwnFolder, requireOwnFolder } from '../common/own-folder.ts'
import { stopProcessesIn } from '../../process/in-folder.ts'
import type { TemporalSourceConfig } from './config.ts'
import { type Place, placeOf, type Session, withTemporal } from '../../temporal/namespace-session.ts'
import { findNamespace } from './namespace.ts'
import { startServer } from './server.ts'

type Secrets = Pick<DriverWiring, 'secret'>
type Kept = { namespace: string; own: boolean }
const noteOf = (dir: string): string => join(dir, 'namespace')

/**
 * An empty folder, and the name of the namespace in it before there is one: so whoever removes one removes the other. On a
 * cluster of others nobody else can have that name.
 */
export async function makeScratch(config: TemporalSourceConfig, wiring: Secrets, dir: string): Promise<void> {
  await destroyScratch(config, wiring, dir)
  await makeOwnFolder(dir)
  const { scratch } = config
  const kept: Kept = {
    namespace: scratch ? `${scratch.namespace}-${randomBytes(8).toString('hex')}` : `${config.namespace}-restored`,
    own: !scratch,
  }
  await writeFile(noteOf(dir), JSON.stringify(kept))
}

/** Its server is started where it does not run. */
export async function withScratch<T>(
  config: TemporalSourceConfig,
  wiring: Secrets,
  dir: string,
  signal: AbortSignal | undefined,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const kept = await keptIn(dir)
  if (!kept)
    throw new HoldfastError('NOT_FOUND', `there is no restored namespace in ${dir}`, { object: dir, next: 'start the restore again' })
  return withTemporal(await placeFor(config, wiring, dir, kept, signal), signal, work)
}

async function placeFor(
  config: TemporalSourceConfig,
  wiring: Secrets,
  dir: string,
  { namespace, own }: Kept,
  signal?: AbortSignal,
): Promise<Place> {
  if (own) {
    const address = await startServer(config.programs.temporal, dir, signal)
    return { address, namespace, options: async () => ({ address }) }
  }
  if (config.scratch) return placeOf({ ...config.scratch, namespace }, wiring)
  throw new HoldfastError('CONFIG_INVALID', `${namespace} was made on the scratch cluster, which the source does not name any more`, {
    object: namespace,
    next: `delete it there (temporal operator namespace delete ${namespace}), then remove ${dir}`,
  })
}

async function keptIn(dir: string): Promise<Kept | undefined> {
  const text = await readFile(noteOf(dir), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  return text === undefined ? undefined : (JSON.parse(text) as Kept)
}

/** The server that runs in the folder, or the namespace elsewhere, and the folder. May be called twice, and by another process. */
export async function destroyScratch(config: TemporalSourceConfig, wiring: Secrets, dir: string): Promise<void> {
  await requireOwnFolder(dir)
  const kept = await keptIn(dir)
  if (kept && !kept.own)
    await withTemporal(await placeFor(config, wiring, dir, kept), undefined, async (session) => {
      const { namespace } = session
      if (await findNamespace(session)) await session.ask(({ operatorService }) => operatorService.deleteNamespace({ namespace }))
    })
  await stopProcessesIn(dir)
  await removeOwnFolder(dir)
}
