/** Everything of one node on disk, opened: as a node does at its start, and as offline commands do. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { type Config, readConfig } from './config.ts'
import { Log } from './log.ts'
import { newestSnapshot } from './snapshot.ts'
import { type State, readState, writeState } from './state.ts'
import { Store } from './store.ts'

export const logDir = (dir: string): string => join(dir, 'raft', 'log')

export interface Folder {
  dir: string
  config: Config
  state: State
  log: Log
  store: Store
  /** Index of the newest snapshot. */
  snapshotIndex: number
}

/** Throws where the newest snapshot, or a line that is not the last, is damaged. */
export function openFolder(dir: string): Folder {
  const config = readConfig(dir)
  const snapshot = newestSnapshot(dir)
  const { index, term, cluster, members } = snapshot?.header ?? { index: 0, term: 0, cluster: null, members: [] }
  const log = new Log(logDir(dir), { index, term }, config.wal.segment_bytes)
  const store = new Store(dir)
  // The log and its snapshot are the truth: a store that is ahead of them belongs to data that was put aside.
  if (store.applied > log.last.index || store.applied < index) store.load(snapshot)
  // A folder with nothing but a snapshot is a restored one: it is of the cluster that the snapshot was taken of.
  const state = readState(dir) ?? { cluster, members, term: log.last.term, votedFor: null, paused: false, archived: 0 }
  return { dir, config, state, log, store, snapshotIndex: index }
}

/** Whether the node's members are those of its config: moved to other addresses, it must be initialized again. */
export function hasItsMembers({ config, state }: Folder): boolean {
  return JSON.stringify(state.members) === JSON.stringify(config.cluster.members)
}

/** A new cluster that begins with what this folder holds. */
export function initialize(folder: Folder): void {
  Object.assign(folder.state, { cluster: randomUUID(), members: folder.config.cluster.members })
  writeState(folder.dir, folder.state)
}
