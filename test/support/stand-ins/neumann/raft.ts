/**
 * One node of the cluster: a small Raft. What is its own: of the nodes that live and have the longest log, the one
 * with the lowest id stands for election, so that it is known beforehand who leads next.
 */
import { type Member, addrOf } from './config.ts'
import type { Entry } from './entry.ts'
import { Refused, notLeader } from './errors.ts'
import { type Folder, hasItsMembers } from './folder.ts'
import { Replication } from './replication.ts'
import { type Append, type Appended, type Standing, type Vote, type Voted, ask, compareLogs } from './rpc.ts'
import { keepSnapshot, parseSnapshot } from './snapshot.ts'
import { writeState } from './state.ts'

interface Waiting {
  entry: Entry
  since: number
  done(entry: Entry): void
  fail(error: Error): void
}
const ACKNOWLEDGE_MS = 5000

export class Raft {
  readonly folder: Folder
  readonly id: number
  commit: number
  leader: number | undefined
  /** Called after entries were applied. */
  onApplied = () => {}
  private heardAt = performance.now()
  private standing = false
  private replication: Replication | undefined
  private waiting: Waiting[] = []

  constructor(folder: Folder) {
    this.folder = folder
    this.id = folder.config.node.id
    this.commit = folder.store.applied
  }

  get archived(): number {
    return this.folder.state.archived
  }
  get isLeader(): boolean {
    return this.leader === this.id
  }
  get peers(): Member[] {
    return this.folder.config.cluster.members.filter(({ id }) => id !== this.id)
  }
  get majority(): number {
    return Math.floor(this.folder.config.cluster.members.length / 2) + 1
  }
  get leaderAddr(): string | undefined {
    return addrOf(this.folder.config.cluster.members, this.leader)
  }
  get status(): Standing {
    return { id: this.id, cluster: this.folder.state.cluster, last: this.folder.log.last, leader: this.leader ?? null }
  }

  start(): NodeJS.Timeout {
    return setInterval(() => this.tick(), this.folder.config.raft.heartbeat_ms)
  }

  private tick(): void {
    const { election_ms } = this.folder.config.raft
    const late = this.waiting.filter(({ since }) => performance.now() - since > ACKNOWLEDGE_MS)
    this.giveUp(late, 'not acknowledged by a majority in time: its outcome is unknown')
    if (this.replication) {
      this.replication.send()
      // A leader that hears of no majority may have been replaced: it must not go on as one.
      if (this.replication.heardWithin(election_ms) + 1 < this.majority) this.follow(undefined)
    } else if (performance.now() - this.heardAt > election_ms) {
      this.leader = undefined
      if (hasItsMembers(this.folder)) void this.stand()
    }
  }

  /** Resolves once a majority has the entry; rejects where that is not so in time, and then nobody knows. */
  propose(data: Pick<Entry, 'key' | 'value'>): Promise<Entry> {
    const { log, state, store } = this.folder
    if (!this.isLeader) throw notLeader(this.leader)
    const before = Date.parse(log.lastTime ?? store.time ?? '1970-01-01T00:00:00Z')
    const time = new Date(Math.max(Date.now(), before + 1)).toISOString()
    const entry: Entry = { index: log.last.index + 1, term: state.term, time, ...data }
    log.append([entry])
    const acknowledged = new Promise<Entry>((done, fail) => this.waiting.push({ entry, since: performance.now(), done, fail }))
    this.replication?.send()
    this.replication?.advance()
    return acknowledged
  }

  commitThrough(index: number): void {
    const { log, store } = this.folder
    this.commit = Math.max(this.commit, index)
    for (const entry of log.from(store.applied + 1, this.commit - store.applied)) store.apply(entry)
    for (const { entry, done } of this.waiting.filter((waiting) => waiting.entry.index <= this.commit)) done(entry)
    this.waiting = this.waiting.filter(({ entry }) => entry.index > this.commit)
    this.onApplied()
  }

  private giveUp(these: Waiting[], reason: string): void {
    for (const { fail } of these) fail(new Refused(504, reason))
    this.waiting = this.waiting.filter((waiting) => !these.includes(waiting))
  }

  follow(leader: number | undefined, term = this.folder.state.term): void {
    const { state, dir } = this.folder
    if (term > state.term) {
      Object.assign(state, { term, votedFor: null })
      writeState(dir, state)
    }
    if (this.replication) this.giveUp([...this.waiting], 'leadership was lost: its outcome is unknown')
    this.replication = undefined
    this.leader = leader
    this.heardAt = performance.now()
  }

  private async stand(): Promise<void> {
    if (this.standing) return
    this.standing = true
    try {
      const { state, dir, log } = this.folder
      const others = (await Promise.all(this.peers.map((peer) => ask<Standing>(peer, '/raft/status')))).filter(
        (other) => other !== undefined,
      )
      // Somebody may have won while the others were asked.
      if (this.leader !== undefined || others.length + 1 < this.majority || others.some((other) => this.isBetter(other))) return
      Object.assign(state, { term: state.term + 1, votedFor: this.id })
      writeState(dir, state)
      const vote: Vote = { cluster: state.cluster ?? '', term: state.term, candidate: this.id, last: log.last }
      const votes = await Promise.all(this.peers.map((peer) => ask<Voted>(peer, '/raft/vote', vote)))
      const newer = votes.find((voted) => voted && voted.term > vote.term)
      if (newer) return this.follow(undefined, newer.term)
      if (state.term === vote.term && votes.filter((voted) => voted?.granted).length + 1 >= this.majority) this.lead()
    } finally {
      this.standing = false
    }
  }

  private isBetter({ id, cluster, last, leader }: Standing): boolean {
    if (leader !== null && leader !== this.id) return true
    const order = compareLogs(last, this.folder.log.last)
    return cluster !== null && (order > 0 || (order === 0 && id < this.id))
  }

  private lead(): void {
    this.leader = this.id
    this.replication = new Replication(this)
    // Entries of earlier terms count as committed only once one of this term is.
    this.propose({}).catch(() => {})
  }

  private admit(cluster: string): void {
    const { state } = this.folder
    if (state.cluster !== null && state.cluster !== cluster) throw new Refused(409, `belongs to cluster ${state.cluster}, not ${cluster}`)
  }

  onVote({ cluster, term, candidate, last }: Vote): Voted {
    this.admit(cluster)
    const { state, dir, log } = this.folder
    if (term > state.term) this.follow(undefined, term)
    const granted = term === state.term && [null, candidate].includes(state.votedFor) && compareLogs(last, log.last) >= 0
    if (granted) {
      state.votedFor = candidate
      writeState(dir, state)
    }
    return { term: state.term, granted }
  }

  /** Takes the node into a cluster where it is in none. False where the sender leads no more. */
  private accept({ cluster, members, term, leader, paused, archived }: Append): boolean {
    this.admit(cluster)
    const { state, dir } = this.folder
    if (term < state.term) return false
    this.follow(leader, term)
    if (state.cluster === null || state.paused !== paused || state.archived < archived) {
      Object.assign(state, { cluster, members, paused, archived: Math.max(state.archived, archived) })
      writeState(dir, state)
    }
    return true
  }

  onAppend(append: Append): Appended {
    const { log, state } = this.folder
    const { previous, entries, commit } = append
    const answer = (ok: boolean) => ({ term: state.term, ok, last: log.last.index })
    if (!this.accept(append)) return answer(false)
    if (previous.index >= log.base.index && log.termAt(previous.index) !== previous.term) return answer(false)
    const unknown = entries.filter(({ index, term }) => index > log.base.index && log.termAt(index) !== term)
    if (unknown[0] && unknown[0].index <= log.last.index) log.truncate(unknown[0].index)
    log.append(unknown)
    this.commitThrough(Math.min(commit, entries.at(-1)?.index ?? previous.index))
    return answer(true)
  }

  /** A snapshot in the place of entries that the leader has no more. */
  onInstall(append: Append, text: string): Appended {
    const { log, state, store, dir } = this.folder
    if (!this.accept(append)) return { term: state.term, ok: false, last: log.last.index }
    const snapshot = parseSnapshot(text, 'from the leader')
    if (snapshot.header.index > this.commit) {
      keepSnapshot(dir, text, snapshot.header)
      log.reset(snapshot.header)
      store.load(snapshot)
      this.commit = snapshot.header.index
      this.folder.snapshotIndex = snapshot.header.index
    }
    // What it has beyond that may not be what the leader has.
    return { term: state.term, ok: true, last: this.commit }
  }

  /** The lowest entry that every node which answers has; what follows may still have to be sent. */
  get heldByAll(): number {
    return this.replication?.heldByAll ?? this.commit
  }

  get health(): { id: number; addr: string; healthy: boolean; match: number }[] {
    const self = {
      id: this.id,
      addr: addrOf(this.folder.config.cluster.members, this.id) ?? '',
      healthy: true,
      match: this.folder.log.last.index,
    }
    return [self, ...(this.replication?.health ?? [])].sort((a, b) => a.id - b.id)
  }
}
