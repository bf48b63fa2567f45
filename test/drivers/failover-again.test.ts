import { afterEach, beforeEach, expect, test } from 'vitest'
import { createPair, type Pair } from '../../scripts/toolbox/pair.ts'
import { raiseEpoch } from '../../src/failover/database/epoch.ts'
import { fence } from '../../src/failover/database/fence.ts'
import { intentsOf, promote } from '../../src/failover/database/promote.ts'
import { rejoin } from '../../src/failover/database/rejoin.ts'
import { lagOf } from '../../src/failover/database/replication.ts'
import type { Site } from '../../src/failover/database/site.ts'
import { awaitStreaming } from '../../src/failover/database/streaming.ts'
import { siteOf } from '../support/sites.ts'

let pair: Pair
let east: Site
let west: Site
beforeEach(async () => {
  pair = await createPair({ dbname: 'shop' })
  east = siteOf(pair, pair.primary)
  west = siteOf(pair, pair.standby)
})
afterEach(async () => pair?.destroy())

/** A planned switch: gives the promotion's report. */
async function move(from: Site, to: Site, epoch: number) {
  const mustReach = await fence(from, { epoch, mode: 'planned', timeoutMs: 20_000 })
  const report = await promote(to, { epoch, recordNoReturn: async () => {}, mustReach })
  await raiseEpoch(from, epoch)
  await rejoin({ site: from, primary: to, epoch })
  await awaitStreaming(to, from, { timeoutMs: 60_000, epoch })
  return report
}

test('a pair that was switched is switched back at once, before the new standby has had a restart point', async () => {
  const there = await move(east, west, 1)
  expect(there).toMatchObject({ previousTimeline: 1, timeline: 2 })
  expect(await lagOf(west, east)).toMatchObject({ known: true, timeline: 2 })
  const back = await move(west, east, 2)
  expect(back).toMatchObject({ previousTimeline: 2, timeline: 3 })
  expect(back.forkLsn).not.toBe(there.forkLsn)
})

test('what a side noted of its own promotion goes when it becomes a standby', async () => {
  await move(east, west, 1)
  expect(await intentsOf(west)).toEqual(['promote-1.json'])
  await move(west, east, 2)
  expect(await intentsOf(west)).toEqual([])
  expect(await intentsOf(east)).toEqual(['promote-2.json'])
})
