/** What `holdfast prune` says of a log: what goes, what stays and why. */
import { expect, it } from 'vitest'
import { type RetentionDone, retentionLines } from '../../../src/cli/retention-report.ts'

const LOG = { archive: 'pages-1', keep: '30d', segments: 0, bytes: 0 }
const said = (log: Partial<NonNullable<RetentionDone['logs']>[number]>, dryRun = false) =>
  retentionLines({ source: 'pages', keep: [], delete: [], locked: [], held: [], logs: [{ ...LOG, ...log }] }, dryRun).at(-1)

it('names the first and the last segment that go, and for which point others stay', () => {
  const going = { segments: 3, bytes: 48, first: '1-10.wal', last: '21-30.wal' }
  expect(said(going, true)).toBe('  log    pages-1: 3 segments, 48 B, would go unless locked, 1-10.wal to 21-30.wal')
  expect(said({ ...going, needed: { segments: 2, by: '20250101_120000_full' } })).toBe(
    '  log    pages-1: 3 segments, 48 B, deleted, 1-10.wal to 21-30.wal; 2 more older than 30d stay: 20250101_120000_full is replayed with them',
  )
})

it('says where a lock ended it, and why nothing goes at all', () => {
  expect(said({ segments: 3, bytes: 48, first: '1-10.wal', last: '21-30.wal', locked: '11-20.wal' })).toBe(
    '  log    pages-1: 3 segments, 48 B, LOCKED at 11-20.wal: of these, 1-10.wal to 21-30.wal, only what is before it went',
  )
  expect(said({ left: 'the failed proof of 20250101_120000_full stands' })).toBe(
    '  log    pages-1: all of it stays: the failed proof of 20250101_120000_full stands',
  )
})
