/** The parsers of the log, on what pg_waldump 15 printed. */
import { expect, test } from 'vitest'
import { forkPoint, formatLsn, historyName, parseLsn, segmentName, xidPrecedes } from '../../../src/failover/database/wal-position.ts'
import { createTally, parseChange, parseRecord } from '../../../src/failover/database/wal-records.ts'

/** Recorded: a commit before the fork, one with a subtransaction and one undone, an update, a delete, a prepared one, a rollback, a moved row. */
const RECORDED = `
rmgr: Standby     len (rec/tot):     50/    50, tx:          0, lsn: 0/0153B9C0, prev 0/0153B9B8, desc: RUNNING_XACTS nextXid 728 latestCompletedXid 727 oldestRunningXid 728
rmgr: Heap        len (rec/tot):     61/    61, tx:        728, lsn: 0/0153B9F8, prev 0/0153B9B8, desc: INSERT off 10 flags 0x00, blkref #0: rel 1663/5/16384 blk 0
rmgr: Transaction len (rec/tot):     34/    34, tx:        728, lsn: 0/0153BA78, prev 0/0153BA38, desc: COMMIT 2026-11-21 10:48:57.461092 UTC
rmgr: Heap        len (rec/tot):     61/    61, tx:        729, lsn: 0/0153BAA0, prev 0/0153BA78, desc: INSERT off 11 flags 0x00, blkref #0: rel 1663/5/16384 blk 0
rmgr: Heap        len (rec/tot):     61/    61, tx:        730, lsn: 0/0153BB20, prev 0/0153BAE0, desc: INSERT off 12 flags 0x00, blkref #0: rel 1663/5/16384 blk 0
rmgr: Heap        len (rec/tot):     61/    61, tx:        731, lsn: 0/0153BBA0, prev 0/0153BB60, desc: INSERT off 13 flags 0x00, blkref #0: rel 1663/5/16384 blk 0
rmgr: Transaction len (rec/tot):     34/    34, tx:        731, lsn: 0/0153BC20, prev 0/0153BBE0, desc: ABORT 2026-11-21 10:48:57.462024 UTC
rmgr: Transaction len (rec/tot):     46/    46, tx:        729, lsn: 0/0153BC48, prev 0/0153BC20, desc: COMMIT 2026-11-21 10:48:57.462114 UTC; subxacts: 730
rmgr: Heap        len (rec/tot):     72/    72, tx:        732, lsn: 0/0153BC78, prev 0/0153BC48, desc: HOT_UPDATE off 1 xmax 732 flags 0x20 ; new off 14 xmax 0, blkref #0: rel 1663/5/16384 blk 0
rmgr: Transaction len (rec/tot):     34/    34, tx:        732, lsn: 0/0153BCC0, prev 0/0153BC78, desc: COMMIT 2026-11-21 10:48:57.462621 UTC
rmgr: Heap        len (rec/tot):     54/    54, tx:        733, lsn: 0/0153BCE8, prev 0/0153BCC0, desc: DELETE off 2 flags 0x00 KEYS_UPDATED , blkref #0: rel 1663/5/16384 blk 0
rmgr: Transaction len (rec/tot):     34/    34, tx:        733, lsn: 0/0153BD20, prev 0/0153BCE8, desc: COMMIT 2026-11-21 10:48:57.462778 UTC
rmgr: Heap        len (rec/tot):     61/    61, tx:        734, lsn: 0/0153BD48, prev 0/0153BD20, desc: INSERT off 15 flags 0x00, blkref #0: rel 1663/5/16384 blk 0
rmgr: Transaction len (rec/tot):    242/   242, tx:        734, lsn: 0/0153BDC8, prev 0/0153BD88, desc: PREPARE gid x1: 2026-11-21 10:48:57.463088 UTC
rmgr: Transaction len (rec/tot):     42/    42, tx:          0, lsn: 0/0153BEC0, prev 0/0153BDC8, desc: COMMIT_PREPARED 734: 2026-11-21 10:48:57.463235 UTC
rmgr: Heap        len (rec/tot):     61/    61, tx:        735, lsn: 0/0153BEF0, prev 0/0153BEC0, desc: INSERT off 16 flags 0x00, blkref #0: rel 1663/5/16384 blk 0
rmgr: Transaction len (rec/tot):     34/    34, tx:        735, lsn: 0/0153BF70, prev 0/0153BF30, desc: ABORT 2026-11-21 10:48:57.463548 UTC
rmgr: Heap        len (rec/tot):     54/    54, tx:        737, lsn: 0/0153C018, prev 0/0153BFD8, desc: DELETE off 1 flags 0x10 KEYS_UPDATED , blkref #0: rel 1663/5/16394 blk 0
rmgr: Heap        len (rec/tot):     61/    61, tx:        737, lsn: 0/0153C050, prev 0/0153C018, desc: INSERT+INIT off 1 flags 0x00, blkref #0: rel 1663/5/16399 blk 0
rmgr: Transaction len (rec/tot):     34/    34, tx:        737, lsn: 0/0153C090, prev 0/0153C050, desc: COMMIT 2026-11-21 10:48:57.464139 UTC
rmgr: Heap2       len (rec/tot):     98/    98, tx:        738, lsn: 0/0153C0B8, prev 0/0153C090, desc: MULTI_INSERT 3 tuples flags 0x02, blkref #0: rel 1663/5/16384 blk 0
rmgr: Transaction len (rec/tot):    266/   266, tx:        738, lsn: 0/01567B18, prev 0/01567A88, desc: COMMIT 2026-11-21 10:48:57.476548 UTC; rels: base/5/16398 base/5/16397; inval msgs: catcache 55 relcache 16394`

function tallied(from: string, text = RECORDED) {
  const tally = createTally(from)
  for (const line of text.split('\n')) tally.add(line)
  return tally
}

test('only commits behind the fork count, with their subtransactions and without what was undone', () => {
  const { commits, changes } = tallied('0/153BAA0')
  expect(commits.map(({ xid, subxids }) => [xid, ...subxids])).toEqual([[729, 730], [732], [733], [734], [737], [738]])
  expect(commits[0]).toEqual({ xid: 729, subxids: [730], at: '2026-11-21T10:48:57.462Z', lsn: '0/153BC48' })
  expect(changes.get('5/16384')).toEqual({ inserts: 6, updates: 1, deletes: 1 })
})

test('a row that moved to another partition is no deletion', () => {
  const { changes } = tallied('0/153BAA0')
  expect([changes.get('5/16394'), changes.get('5/16399')]).toEqual([
    { inserts: 0, updates: 1, deletes: 0 },
    { inserts: 1, updates: 0, deletes: 0 },
  ])
})

test('a transaction that began before what was read is noticed', () => {
  expect(tallied('0/153BAA0').coversAll()).toBe(true)
  expect(tallied('0/153BAA0', RECORDED.replace('nextXid 728', 'nextXid 730')).coversAll()).toBe(false)
  expect(tallied('0/153BAA0', RECORDED.replace(/^.*RUNNING_XACTS.*$/m, '')).coversAll()).toBe(false)
  expect(tallied('1/0', '').coversAll()).toBe(true)
})

test('the lines of later versions are read as well', () => {
  const line = (desc: string) =>
    parseRecord(
      `rmgr: Heap        len (rec/tot):     54/    54, tx:        733, lsn: 0/0153BCE8, prev 0/0153BCC0, desc: ${desc}, blkref #0: rel 1663/5/16384 blk 0`,
    )
  expect(parseChange(line('DELETE xmax: 733, off: 2, infobits: [KEYS_UPDATED], flags: 0x00') as never)?.changes.deletes).toBe(1)
  expect(parseChange(line('MULTI_INSERT+INIT ntuples: 4, flags: 0x02') as never)?.changes.inserts).toBe(4)
  expect(parseChange(line('LOCK xmax: 733, off: 2') as never)).toBeUndefined()
})

test('a fork is where the history says that the timeline was left', () => {
  const history = '1\t0/5000148\tno recovery target specified\n\n2\t0/70000A0\tno recovery target specified\n'
  expect([forkPoint(history, 1), forkPoint(history, 2), forkPoint(history, 3)]).toEqual(['0/5000148', '0/70000A0', undefined])
  expect(historyName(26)).toBe('0000001A.history')
})

test('positions, segment names and the order of transaction ids', () => {
  expect(formatLsn(parseLsn('1A/6B374D80'))).toBe('1A/6B374D80')
  expect(() => parseLsn('6B374D80')).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }))
  expect(segmentName(2, parseLsn('1/6B374D80'), 16 * 1024 * 1024)).toBe('00000002000000010000006B')
  expect(segmentName(2, parseLsn('1/6B374D80'), 1024 * 1024 * 1024)).toBe('000000020000000100000001')
  expect([xidPrecedes(3, 4), xidPrecedes(4, 4), xidPrecedes(4_294_967_000, 5), xidPrecedes(5, 4_294_967_000)]).toEqual([
    true,
    false,
    true,
    false,
  ])
})
