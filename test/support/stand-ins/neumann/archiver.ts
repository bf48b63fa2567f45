/** The leader's archive_command, segment by segment in their order, each until it exits 0. */
import { run } from '../../../../src/process/run.ts'
import { messageOf } from '../../../../src/core/errors.ts'
import type { Segment } from './log.ts'
import type { Raft } from './raft.ts'
import { writeState } from './state.ts'

const RETRY_MS = 500

export class Archiver {
  failures = 0
  private busy = false
  private notBefore = 0
  private readonly raft: Raft
  private readonly stopping: AbortSignal

  constructor(raft: Raft, stopping: AbortSignal) {
    this.raft = raft
    this.stopping = stopping
  }

  /** Closed segments that the archive does not have. */
  get pending(): Segment[] {
    return this.raft.folder.log.closed.filter(({ last }) => last > this.raft.archived)
  }

  /** Called again and again. */
  async work(): Promise<void> {
    const { folder } = this.raft
    const { archive_command: command, archive_timeout: seconds } = folder.config.wal
    folder.log.closeIfOlderThan(seconds * 1000)
    if (this.busy || !command || !this.raft.isLeader || performance.now() < this.notBefore) return
    this.busy = true
    try {
      // What is not committed may yet be replaced: it has no place in an archive.
      for (const segment of this.pending.filter(({ last }) => last <= this.raft.commit)) await this.archive(segment, command)
    } catch (error) {
      this.failures++
      this.notBefore = performance.now() + RETRY_MS
      process.stderr.write(`archive_command: ${messageOf(error)}\n`)
    } finally {
      this.busy = false
    }
  }

  private async archive({ path, name, last }: Segment, command: string): Promise<void> {
    const line = command.replaceAll('%p', path).replaceAll('%f', name)
    await run({ program: 'sh', args: ['-c', line] }, { signal: this.stopping })
    const { state, dir } = this.raft.folder
    state.archived = Math.max(state.archived, last)
    writeState(dir, state)
  }
}
