/** One running node: its parts, and what its admin API does with them. */
import { Archiver } from './archiver.ts'
import { checkFiles } from './check.ts'
import type { Entry } from './entry.ts'
import { Refused, notLeader } from './errors.ts'
import { Faults } from './faults.ts'
import { type Folder, hasItsMembers, initialize } from './folder.ts'
import { Raft } from './raft.ts'
import { Snapshotter } from './snapshotter.ts'
import { writeState } from './state.ts'

const HOUSEKEEPING_MS = 100

export class Node {
  readonly folder: Folder
  readonly faults = new Faults()
  readonly raft: Raft
  readonly snapshotter: Snapshotter
  readonly archiver: Archiver

  constructor(folder: Folder, stopping: AbortSignal) {
    this.folder = folder
    this.raft = new Raft(folder)
    this.snapshotter = new Snapshotter(this.raft, this.faults)
    this.archiver = new Archiver(this.raft, stopping)
    this.raft.onApplied = () => this.snapshotter.whenDue()
    const timers = [this.raft.start(), setInterval(() => this.keepHouse(), HOUSEKEEPING_MS)]
    stopping.addEventListener('abort', () => timers.forEach(clearInterval))
  }

  private keepHouse(): void {
    void this.archiver.work()
    this.snapshotter.compact()
  }

  private leadersOnly(): void {
    if (!this.raft.isLeader) throw notLeader(this.raft.leader)
  }

  put(key: unknown, value: unknown): Promise<Entry> {
    if (typeof key !== 'string' || !(typeof value === 'string' || value === null))
      throw new Refused(400, 'key is text; value is text, or null to delete')
    this.leadersOnly()
    if (this.folder.state.paused) throw new Refused(503, 'writes are paused')
    this.faults.checkDisk()
    return this.raft.propose({ key, value })
  }

  beginSnapshot() {
    this.leadersOnly()
    return this.snapshotter.begin()
  }

  /** Followers hear of it with the next heartbeat, and keep it when they lead. No entry is on its way any more once this resolves. */
  async pause(paused: boolean) {
    this.leadersOnly()
    this.folder.state.paused = paused
    writeState(this.folder.dir, this.folder.state)
    const { index, term } = await this.raft.propose({})
    return { paused, index, term }
  }

  initialize() {
    const { cluster } = this.folder.state
    if (hasItsMembers(this.folder)) throw new Refused(409, `already a member of cluster ${cluster}`)
    initialize(this.folder)
    return { cluster: this.folder.state.cluster }
  }

  info() {
    const { state, store, snapshotIndex, log } = this.folder
    return {
      version: '1.0.0-stand-in',
      cluster: state.cluster,
      initialized: hasItsMembers(this.folder),
      node: this.raft.id,
      role: this.raft.isLeader ? 'leader' : 'follower',
      leader: this.raft.leader ?? null,
      leader_addr: this.raft.leaderAddr ?? null,
      term: state.term,
      last_index: log.last.index,
      commit_index: this.raft.commit,
      applied_index: store.applied,
      snapshot_index: snapshotIndex,
      archived_index: state.archived,
      total_entries: store.entries,
      writes_paused: state.paused,
      members: this.raft.isLeader ? this.raft.health : state.members,
    }
  }

  stats() {
    const { store } = this.folder
    return { total_entries: store.entries, applied_index: store.applied, keys: store.rows.size, last_entry_time: store.time }
  }

  query(sql: string) {
    const table = /^\s*select\s+count\(\*\)\s+from\s+([\w.-]+)\s*;?\s*$/i.exec(sql)?.[1]
    if (!table) throw new Refused(400, `this stand-in understands SELECT COUNT(*) FROM <table>, not: ${sql}`)
    return { count: this.folder.store.count(table) }
  }

  check() {
    return checkFiles(this.folder.dir)
  }
}
