/** Takes a node's snapshots, one at a time, while it goes on serving; and drops the log that they make needless. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Faults } from './faults.ts'
import { Refused } from './errors.ts'
import type { Raft } from './raft.ts'
import { keepSnapshot, nameOf, printSnapshot } from './snapshot.ts'

export class Snapshotter {
  running = false
  failures = 0
  lastOk = true
  lastAt = 0
  private readonly raft: Raft
  private readonly faults: Faults

  constructor(raft: Raft, faults: Faults) {
    this.raft = raft
    this.faults = faults
  }

  /** Begins one and says what it will be called; how it went is for /metrics to tell. */
  begin(): { name: string; index: number; term: number } {
    if (this.running) throw new Refused(409, 'a snapshot is in progress')
    const { log, store, state } = this.raft.folder
    const place = { index: store.applied, term: log.termAt(store.applied) ?? 0 }
    if (place.index === 0) throw new Refused(409, 'there is nothing to take a snapshot of')
    // Copied now: writes that come while it is written are not in it.
    const text = printSnapshot(
      { ...place, entries: store.entries, time: store.time, cluster: state.cluster ?? '', members: state.members },
      store.rows,
    )
    this.running = true
    void this.write(text, place)
    return { name: nameOf(place), ...place }
  }

  private async write(text: string, place: { index: number; term: number }): Promise<void> {
    const { folder } = this.raft
    try {
      const { snapshot, snapshotMs } = this.faults.current
      await pause(snapshotMs ?? folder.config.raft.snapshot_ms, undefined, { ref: false })
      if (snapshot === 'fails') throw new Error('snapshot failed: input/output error')
      this.faults.checkDisk()
      keepSnapshot(folder.dir, text, place)
      folder.snapshotIndex = place.index
      this.lastAt = Date.now()
      this.lastOk = true
      this.compact()
    } catch (error) {
      this.failures++
      this.lastOk = false
      process.stderr.write(`${(error as Error).message}\n`)
    } finally {
      this.running = false
    }
  }

  /** Once enough entries came since the last. */
  whenDue(): void {
    const { folder } = this.raft
    const since = folder.store.applied - folder.snapshotIndex
    if (!this.running && since >= folder.config.raft.snapshot_entries) this.begin()
  }

  compact(): void {
    const { folder, heldByAll, archived } = this.raft
    const kept = folder.config.wal.archive_command ? archived : Number.POSITIVE_INFINITY
    folder.log.dropThrough(Math.min(folder.snapshotIndex, heldByAll), kept)
  }
}
