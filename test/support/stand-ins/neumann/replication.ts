/** A leader's side: what each follower has, and sending it the rest. Lives for one term. */
import { readFileSync } from 'node:fs'
import type { Member } from './config.ts'
import type { Raft } from './raft.ts'
import { type Append, type Appended, ask } from './rpc.ts'
import { snapshotFiles } from './snapshot.ts'

interface Follower {
  member: Member
  next: number
  match: number
  /** Of one that never answered: when the term began, so that it has time to. */
  heardAt: number
  busy: boolean
}

export class Replication {
  private readonly raft: Raft
  private readonly term: number
  private readonly followers: Follower[]

  constructor(raft: Raft) {
    this.raft = raft
    this.term = raft.folder.state.term
    const next = raft.folder.log.last.index + 1
    const heardAt = performance.now()
    this.followers = raft.peers.map((member) => ({ member, next, match: 0, heardAt, busy: false }))
  }

  private get current(): boolean {
    return this.raft.isLeader && this.raft.folder.state.term === this.term
  }

  send(): void {
    for (const follower of this.followers) void this.sendTo(follower)
  }

  heardWithin(ms: number): number {
    return this.followers.filter(({ heardAt }) => performance.now() - heardAt <= ms).length
  }

  private async sendTo(follower: Follower): Promise<void> {
    if (follower.busy) return
    follower.busy = true
    try {
      let more = true
      while (more && this.current) more = await this.round(follower)
    } finally {
      follower.busy = false
    }
  }

  /** True where there is more to send. */
  private async round(follower: Follower): Promise<boolean> {
    const { log } = this.raft.folder
    const install = follower.next <= log.base.index
    const append = this.appendFrom(install ? log.last.index + 1 : follower.next)
    const reply = install ? await this.install(follower, append) : await ask<Appended>(follower.member, '/raft/append', append)
    if (!reply || !this.current) return false
    if (reply.term > this.term) {
      this.raft.follow(undefined, reply.term)
      return false
    }
    follower.heardAt = performance.now()
    if (!reply.ok) {
      follower.next = Math.max(1, Math.min(follower.next - 1, reply.last + 1))
      return true
    }
    follower.match = install ? reply.last : append.previous.index + append.entries.length
    follower.next = follower.match + 1
    this.advance()
    return log.last.index > follower.match
  }

  private appendFrom(next: number): Append {
    const { folder, commit, archived, id } = this.raft
    const { cluster, members, paused } = folder.state
    const previous = { index: next - 1, term: folder.log.termAt(next - 1) ?? 0 }
    return {
      cluster: cluster ?? '',
      members,
      term: this.term,
      leader: id,
      previous,
      entries: folder.log.from(next),
      commit,
      paused,
      archived,
    }
  }

  private install({ member }: Follower, append: Append): Promise<Appended | undefined> {
    const file = snapshotFiles(this.raft.folder.dir).at(-1)
    return ask<Appended>(member, '/raft/install', `${JSON.stringify(append)}\n${file ? readFileSync(file, 'utf8') : ''}`, 10_000)
  }

  /** Commits what a majority has, this node among it. */
  advance(): void {
    const { folder, majority, commit } = this.raft
    const held = [folder.log.last.index, ...this.followers.map(({ match }) => match)].sort((a, b) => b - a)
    const index = held[majority - 1] ?? 0
    if (index > commit && folder.log.termAt(index) === this.term) this.raft.commitThrough(index)
  }

  get heldByAll(): number {
    const { election_ms } = this.raft.folder.config.raft
    const heard = this.followers.filter(({ heardAt }) => performance.now() - heardAt <= election_ms)
    return Math.min(this.raft.commit, ...heard.map(({ match }) => match))
  }

  get health(): { id: number; addr: string; healthy: boolean; match: number }[] {
    const { election_ms } = this.raft.folder.config.raft
    const healthy = ({ heardAt, match }: Follower) => match > 0 && performance.now() - heardAt <= election_ms
    return this.followers.map((follower) => ({ ...follower.member, healthy: healthy(follower), match: follower.match }))
  }
}
