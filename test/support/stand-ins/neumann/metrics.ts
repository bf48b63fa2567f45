/** A node's metrics as Prometheus reads them. */
import type { Node } from './node.ts'

export function metricsOf({ raft, folder, snapshotter, archiver }: Node): string {
  const { state, store, log, snapshotIndex } = folder
  const gauges: Record<string, [help: string, value: number]> = {
    neumann_snapshot_in_progress: ['1 while a snapshot is taken', Number(snapshotter.running)],
    neumann_snapshot_last_index: ['Index of the last entry in the newest snapshot', snapshotIndex],
    neumann_snapshot_last_success: ['1 unless the last snapshot failed', Number(snapshotter.lastOk)],
    neumann_snapshot_last_timestamp_seconds: ['When this process last finished a snapshot', snapshotter.lastAt / 1000],
    neumann_total_entries: ['Entries with data that were applied', store.entries],
    neumann_raft_is_leader: ['1 on the leader', Number(raft.isLeader)],
    neumann_raft_leader_id: ['Id of the leader, 0 where there is none', raft.leader ?? 0],
    neumann_raft_term: ['Current term', state.term],
    neumann_raft_last_index: ['Last entry of the log', log.last.index],
    neumann_raft_commit_index: ['Last entry that a majority has', raft.commit],
    neumann_raft_applied_index: ['Last entry that is in the store', store.applied],
    neumann_writes_paused: ['1 while writes are refused', Number(state.paused)],
    neumann_wal_archived_index: ['Last entry that is in the archive', state.archived],
    neumann_wal_segments_pending: ['Closed segments that are not in the archive', archiver.pending.length],
  }
  const counters: typeof gauges = {
    neumann_snapshot_failures_total: ['Snapshots that failed', snapshotter.failures],
    neumann_wal_archive_failures_total: ['Times that archive_command failed', archiver.failures],
  }
  const lines = (type: string, metrics: typeof gauges) =>
    Object.entries(metrics).map(([name, [help, value]]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`)
  return [...lines('gauge', gauges), ...lines('counter', counters)].join('')
}
