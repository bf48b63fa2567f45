/** Refusals that a client of a node gets. */

export class Refused extends Error {
  readonly status: number
  /** Where it should ask instead. */
  readonly leader: number | undefined
  constructor(status: number, message: string, leader?: number) {
    super(message)
    this.status = status
    this.leader = leader
  }
}

export const notLeader = (leader: number | undefined) =>
  leader === undefined ? new Refused(503, 'the cluster has no leader') : new Refused(307, `not the leader: node ${leader} is`, leader)
