/** Where things are in a scratch folder, and where the parts of a point belong below a node's data folder. */
import { isAbsolute, join, relative } from 'node:path'
import type { RaftClusterConfig } from './config.ts'
import { nodesOf } from './node.ts'

/** As it was restored: nobody writes to it afterwards. */
export const dataIn = (dir: string): string => join(dir, 'data')
/** A copy for a node that is started, or for a replay. */
export const nodeIn = (dir: string): string => join(dir, 'node')
export const walIn = (dir: string): string => join(dir, 'wal')

/** What the folders of the state are called in a point, and where each is below dataDir. */
export const layoutOf = ({ folders }: Pick<RaftClusterConfig, 'folders'>): Record<string, string> => ({
  snapshots: folders.snapshots,
  store: folders.store,
})

/** Of a node whose data folder is `dataDir`: inside of it where that is so on the nodes of the source. */
export function configIn(dataDir: string, config: Pick<RaftClusterConfig, 'nodes'>): string {
  const inside = configBelow(config)
  return inside === undefined ? `${dataDir}.config` : join(dataDir, inside)
}

/** The folder of the configuration below dataDir, or undefined where it is elsewhere. */
export function configBelow(config: Pick<RaftClusterConfig, 'nodes'>): string | undefined {
  const [{ dataDir, configDir }] = nodesOf(config)
  const way = relative(dataDir, configDir)
  return way === '' || way.startsWith('..') || isAbsolute(way) ? undefined : way
}
