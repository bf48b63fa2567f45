/** Who moves where, for every state that a pair can be in when somebody asks. */
import { describe, expect, it } from 'vitest'
import type { SiteFacts } from '../../../src/contract/failover.ts'
import { judge, type Question } from '../../../src/failover/judge.ts'

const facts = (role: SiteFacts['role'], more: Partial<SiteFacts> = {}): SiteFacts => ({
  reachable: true,
  running: role !== 'down',
  role,
  pinned: false,
  epoch: 0,
  walReadable: true,
  streaming: false,
  timeline: 1,
  ...more,
})
const GONE = facts('down', { reachable: false, walReadable: false, why: 'activity ScheduleToStart timeout' })
const ask = (mode: Question['mode'], east: SiteFacts, west: SiteFacts) =>
  judge({ group: 'orders', mode, home: 'east', facts: { east, west } })
const refusal = (mode: Question['mode'], east: SiteFacts, west: SiteFacts) => {
  try {
    ask(mode, east, west)
  } catch (error) {
    return error as { code: string; message: string; next: string }
  }
  throw new Error('it was not refused')
}
const blocked = (mode: Question['mode'], east: SiteFacts, west: SiteFacts) =>
  ask(mode, east, west)
    .findings.filter(({ ok, blocks }) => blocks && !ok)
    .map(({ name }) => name)

describe('a pair', () => {
  it.each([
    ['planned', facts('primary'), facts('standby'), 'east to west'],
    ['planned', facts('standby'), facts('primary'), 'west to east'],
    ['unplanned', facts('primary'), facts('standby'), 'east to west'],
    ['unplanned', facts('down'), facts('standby'), 'east to west'],
    ['unplanned', facts('standby'), facts('down'), 'west to east'],
    ['unplanned', GONE, facts('standby'), 'east to west'],
    ['unplanned', facts('down'), facts('down'), 'east to west'],
    ['failback', facts('down'), facts('primary'), 'west to east'],
    ['failback', facts('standby'), facts('primary'), 'west to east'],
  ] as const)('%s, east %o and west %o', (mode, east, west, moves) => {
    const { from, to } = ask(mode, east, west)
    expect(`${from} to ${to}`).toBe(moves)
  })

  it('moves under an epoch above all that either side has seen', () => {
    expect(ask('planned', facts('primary', { epoch: 4 }), facts('standby', { epoch: 7 })).epoch).toBe(8)
  })

  it.each(['planned', 'unplanned', 'failback'] as const)('of two primaries is refused, %s', (mode) => {
    expect(refusal(mode, facts('primary'), facts('primary'))).toMatchObject({ code: 'NOT_READY', next: 'fence one side at once' })
  })

  it('whose primary is where it belongs has nothing to fail back', () => {
    expect(refusal('failback', facts('primary'), facts('standby')).message).toContain('east is the primary already')
  })

  it('without a primary is sent to the unplanned mode, in any other', () => {
    for (const mode of ['planned', 'failback'] as const)
      expect(refusal(mode, facts('down'), facts('standby'))).toMatchObject({
        message: 'orders: no side takes writes',
        next: 'start a failover with mode unplanned',
      })
  })

  it.each([
    ['host that does not answer', GONE, 'east does not answer (activity ScheduleToStart timeout)'],
    [
      'server that runs and answers nobody',
      facts('down', { running: true, why: 'too many clients' }),
      'east does not answer (too many clients)',
    ],
  ])('with a %s is not said to be without a primary', (_, east, why) => {
    expect(refusal('planned', east, facts('standby'))).toMatchObject({
      code: 'NOT_READY',
      message: `orders: which side takes writes cannot be told: ${why}`,
      next: expect.stringContaining('look at its server'),
    })
  })
})

describe('the new side', () => {
  it.each([
    ['is healthy', facts('standby'), []],
    ['is on a host that does not answer', GONE, ['host answers', 'standby is healthy']],
    ['is down', facts('down'), ['standby is healthy']],
    ['is fenced', facts('standby', { pinned: true }), ['not pinned']],
  ])('%s: what blocks', (_, west, blocks) => {
    expect(blocked('planned', facts('primary'), west)).toEqual(blocks)
  })

  it('that would let commits wait for a standby is warned of, and may be promoted all the same', () => {
    const { findings } = ask('planned', facts('primary'), facts('standby', { waitsFor: 'ANY 1 (east)' }))
    expect(findings.filter(({ ok }) => !ok)).toMatchObject([
      { name: 'commits wait for nobody', blocks: false, detail: expect.stringContaining("synchronous_standby_names = 'ANY 1 (east)'") },
    ])
  })

  it('of a rebuild is whichever takes no writes, also where the other one is at home; only its host has to answer', () => {
    const down = facts('down', { pinned: true, epoch: 4 })
    expect(ask('rebuild', facts('primary'), down)).toMatchObject({ from: 'east', to: 'west', epoch: 5 })
    expect(ask('rebuild', down, facts('primary'))).toMatchObject({ from: 'west', to: 'east' })
    expect(blocked('rebuild', facts('primary'), down)).toEqual([])
    expect(blocked('rebuild', facts('primary'), GONE)).toEqual(['host answers'])
  })

  it('is not judged before a failback has rebuilt it', () => {
    expect(ask('failback', facts('down', { pinned: true }), facts('primary')).findings).toEqual([])
  })
})
