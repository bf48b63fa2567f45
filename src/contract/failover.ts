/** What the steps of a failover and a failback tell each other and the operator: small, plain, readable in the history. */

/** `rebuild`: whichever side takes writes goes on, and the other one is made its standby. */
export type PairMode = 'planned' | 'unplanned' | 'failback' | 'rebuild'

/** What moves: computed when the run begins, shown for approval, followed to the letter. */
export interface PairPlan {
  group: string
  epoch: number
  /** Site names. */
  from: string
  to: string
  fromHost: string
  toHost: string
  /** The physical source that archives this pair, where there is one. */
  source?: string
  /** False where the host worker of the old side did not answer in time. */
  fromReachable: boolean
  fromRunning: boolean
  lag: { known: boolean; bytes?: number; receivedLsn?: string; replayedLsn?: string; primaryLsn?: string; text: string }
  maxLagBytes: number
  /** Worst first; one with `blocks` refuses the run. */
  findings: { name: string; ok: boolean; blocks: boolean; detail: string }[]
  text: string[]
  hash: string
  approvals: { count: number; withinMs: number }
  /** What the whole may take, where the group states it. */
  rtoObjectiveSeconds?: number
  /** Each traffic record as it was when the plan was made: what is changed from, and what an undo would restore. */
  traffic: unknown[]
}

export interface FenceSummary {
  proved: boolean
  how: 'stop-instance' | 'command' | 'attested'
  clean: boolean
  /** Where the old side's WAL ends, as its control file says: what the new side must have replayed in a planned switch. */
  lsn?: string
  timeline?: number
  killed: number
  startRefused?: string
  preparedTransactions: string[]
  attestedBy?: string
  seconds: Record<string, number>
}

export interface DrainSummary {
  reachable: boolean
  segments: number
  replayedLsn: string
  detail: string
}
export interface PromoteSummary {
  timeline: number
  forkLsn: string
  alreadyPromoted: boolean
  lastCanary?: string
  seconds: number
}
export interface TrafficSummary {
  changed: boolean
  confirmedBy: string[]
  /** Resolvers may go on giving the old answer until then. */
  oldAnswersUntil: string
  previous: unknown[]
}
export interface GoodWrite {
  at: string
  site: string
  checks: { name: string; ok: boolean; detail: string }[]
}

export const PHASES = ['detect', 'approval', 'fence', 'drain', 'promote', 'traffic', 'firstGoodWrite'] as const
export type Phases = Record<(typeof PHASES)[number], number>

export interface FailoverReport {
  group: string
  mode: 'planned' | 'unplanned'
  from: string
  to: string
  epoch: number
  rtoSeconds: number
  /** Where the group states one. */
  rtoObjective?: { seconds: number; met: boolean }
  phases: Phases
  fence: FenceSummary
  fenceProven: boolean
  drain: DrainSummary
  promote: PromoteSummary
  /** The bound of the loss as far as it is known before the old side's data can be read. */
  loss: { zero: boolean; boundBytes?: number; lastCanary?: string; text: string }
  firstGoodWrite: GoodWrite
  approvals: string[]
  guaranteesLost: string[]
}

export interface LostWrites {
  /** False where the old side's WAL cannot be read: then nothing is known, and that is said. */
  known: boolean
  why?: string
  transactions: number
  tables: { name: string; rows: number; deletes: number }[]
  /** Keys of the exported rows in the repository. */
  exported: string[]
  bytes: number
  /** What of it could not be exported; none where all was. */
  warnings?: string[]
}

export interface FailbackReport {
  group: string
  from: string
  to: string
  method: 'rewind' | 'reclone'
  methodReason?: string
  lost: LostWrites
  /** The folder with the old data of the home side, where it stays because not all of it was exported. */
  kept?: string
  switch: Omit<FailoverReport, 'approvals' | 'guaranteesLost'>
  streaming: boolean
  slot: string
  backup?: string
  seconds: number
  approvals: string[]
  guaranteesLost: string[]
}

/** `none`: it streamed already, and nothing was changed. */
export type RebuildMethod = 'none' | 'rewind' | 'reclone'

export interface StandbyReport {
  group: string
  primary: string
  standby: string
  method: RebuildMethod
  methodReason?: string
  /** What only it had; a standby has nothing of its own. */
  lost: LostWrites
  /** The folder with its old data, where it stays because not all of it was exported. */
  kept?: string
  seconds: number
}

/** One side as its own host sees it; `reachable: false` where that host's worker did not answer in time. */
export interface SiteFacts {
  reachable: boolean
  running: boolean
  role: 'primary' | 'standby' | 'down'
  why?: string
  timeline?: number
  lsn?: string
  pinned: boolean
  epoch: number
  /** synchronous_standby_names, where it is set. */
  waitsFor?: string
  /** False where pg_wal cannot be read, as after a lost disk. */
  walReadable: boolean
  /** True for a standby that streams already. */
  streaming: boolean
}
