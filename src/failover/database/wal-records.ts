/** Reads the lines that pg_waldump prints, of PostgreSQL 15 and later, and adds up what committed. Pure. */
import { formatLsn, parseLsn, xidPrecedes } from './wal-position.ts'

export interface WalRecord {
  manager: string
  xid: number
  lsn: string
  description: string
}
export interface Commit {
  xid: number
  subxids: number[]
  at: string
  lsn: string
}
export interface Changes {
  inserts: number
  updates: number
  deletes: number
}

const RECORD = /^rmgr: (\S+)\s+len \(rec\/tot\):\s*\d+\/\s*\d+, tx:\s*(\d+), lsn: ([0-9A-F]+\/[0-9A-F]+), prev \S+, desc: (.*)$/
const COMMIT = /^COMMIT(?:_PREPARED (\d+):)? (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) UTC/
const SUBXIDS = /; subxacts: ([\d ]+)/
const RELATION = /blkref #0: rel \d+\/(\d+)\/(\d+)/
const FLAGS = /flags:? 0x([0-9A-Fa-f]+)/
const TUPLES = /^MULTI_INSERT(?:\+INIT)? (?:ntuples: )?(\d+)/

/** Flags of a DELETE record: the taking back of an insert that met a conflict; a row that moves to another partition. */
const IS_SUPER = 0x08
const IS_PARTITION_MOVE = 0x10

export function parseRecord(line: string): WalRecord | undefined {
  const [, manager, xid, lsn, description] = RECORD.exec(line) ?? []
  if (!manager || !lsn || description === undefined) return undefined
  return { manager, xid: Number(xid), lsn, description }
}

/** The commit that a record tells of, of a prepared transaction too; pg_waldump must have run with TZ=UTC. */
export function parseCommit(record: WalRecord): Commit | undefined {
  if (record.manager !== 'Transaction') return undefined
  const [, prepared, day, time] = COMMIT.exec(record.description) ?? []
  if (!day) return undefined
  const subxids = SUBXIDS.exec(record.description)?.[1]?.trim().split(/ +/).map(Number) ?? []
  // Made anew, because a part of a line keeps all of the text alive that it was cut from: that is the whole log, in the end.
  const at = new Date(`${day}T${time}Z`).toISOString()
  return { xid: prepared ? Number(prepared) : record.xid, subxids, at, lsn: formatLsn(parseLsn(record.lsn)) }
}

/** The change of rows that a record tells of; `relation` is `database oid/file number`. */
export function parseChange(record: WalRecord): { relation: string; changes: Changes } | undefined {
  if (record.manager !== 'Heap' && record.manager !== 'Heap2') return undefined
  const [, database, file] = RELATION.exec(record.description) ?? []
  const changes = changesOf(record.description)
  return changes && database ? { relation: `${database}/${file}`, changes } : undefined
}

function changesOf(description: string): Changes | undefined {
  const verb = /^[A-Z_]+/.exec(description)?.[0]
  if (verb === 'INSERT') return { inserts: 1, updates: 0, deletes: 0 }
  if (verb === 'MULTI_INSERT') return { inserts: Number(TUPLES.exec(description)?.[1] ?? 0), updates: 0, deletes: 0 }
  if (verb === 'UPDATE' || verb === 'HOT_UPDATE') return { inserts: 0, updates: 1, deletes: 0 }
  if (verb !== 'DELETE') return undefined
  const flags = Number.parseInt(FLAGS.exec(description)?.[1] ?? '0', 16)
  if (flags & IS_SUPER) return { inserts: -1, updates: 0, deletes: 0 }
  // The other half of the move is an insert in the other partition: no row is gone.
  return flags & IS_PARTITION_MOVE ? { inserts: 0, updates: 1, deletes: 0 } : { inserts: 0, updates: 0, deletes: 1 }
}

/** The next transaction id at the moment of a RUNNING_XACTS record: all ids from it on had changed nothing yet. */
export function parseNextXid(record: WalRecord): number | undefined {
  if (record.manager !== 'Standby') return undefined
  const found = /^RUNNING_XACTS nextXid (\d+)/.exec(record.description)?.[1]
  return found === undefined ? undefined : Number(found)
}

export interface Tally {
  add(line: string): void
  /** How many records were read. */
  records: number
  /** Commits at or after `from`, in the order of the log. */
  commits: Commit[]
  /** Changes of those transactions, by `database oid/file number`. */
  changes: Map<string, Changes>
  /** True where every committed transaction began inside of what was read. */
  coversAll(): boolean
}

/** Adds up the log from wherever the reading began; only commits at or after `from` count, with all that they changed. */
export function createTally(from: string): Tally {
  const start = parseLsn(from)
  const open = new Map<number, Map<string, Changes>>()
  let firstNextXid: number | undefined
  const tally: Tally = {
    commits: [],
    changes: new Map(),
    records: 0,
    add(line) {
      const record = parseRecord(line)
      if (!record) return
      tally.records++
      firstNextXid ??= parseNextXid(record)
      const change = parseChange(record)
      if (change) return note(open, record.xid, change.relation, change.changes)
      const commit = parseCommit(record)
      if (!commit) return
      const counts = parseLsn(record.lsn) >= start
      if (counts) tally.commits.push(commit)
      for (const xid of [commit.xid, ...commit.subxids]) {
        if (counts) for (const [relation, changes] of open.get(xid) ?? []) addTo(tally.changes, relation, changes)
        open.delete(xid)
      }
    },
    coversAll() {
      const next = firstNextXid
      return tally.commits.every(({ xid, subxids }) => next !== undefined && [xid, ...subxids].every((one) => !xidPrecedes(one, next)))
    },
  }
  return tally
}

function note(open: Map<number, Map<string, Changes>>, xid: number, relation: string, changes: Changes): void {
  const mine = open.get(xid) ?? new Map<string, Changes>()
  open.set(xid, mine)
  addTo(mine, relation, changes)
}

function addTo(sum: Map<string, Changes>, relation: string, { inserts, updates, deletes }: Changes): void {
  const so = sum.get(relation) ?? { inserts: 0, updates: 0, deletes: 0 }
  sum.set(relation, { inserts: so.inserts + inserts, updates: so.updates + updates, deletes: so.deletes + deletes })
}
