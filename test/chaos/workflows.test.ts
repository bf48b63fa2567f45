/**
 * A sample of what `npm run crash` does for every activity: a worker is killed in the middle of a run, another takes over,
 * and the state of clusters and repository is what it is after an undisturbed run. The two lanes go side by side.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CrashTime } from '../support/crash/plan.ts'
import { play, type Scenario } from '../support/crash/scenario.ts'
import { type Books, openBooks } from '../support/crash/scenarios/books.ts'
import { openPair, type PairLane } from '../support/crash/scenarios/pair.ts'
import { type CrashStage, openCrashStage } from '../support/crash/stage.ts'

const MINUTES = 60_000

let stage: CrashStage
let books: Books
let pair: PairLane
beforeAll(async () => {
  stage = await openCrashStage()
  books = await openBooks(stage)
  pair = await openPair(stage)
}, 4 * MINUTES)
afterAll(async () => stage?.close(), MINUTES)

/** One round after the other within a lane. */
const lanes = new Map<string, Promise<unknown>>()
function round(scenario: Scenario, activity: string, when: CrashTime): Promise<string[]> {
  const before = lanes.get(scenario.lane.name) ?? Promise.resolve()
  const now = before.catch(() => {}).then(() => play(scenario, activity, when))
  lanes.set(scenario.lane.name, now)
  return now
}

describe.concurrent('a worker that is killed', { timeout: 10 * MINUTES }, () => {
  it('after the dump: one new point, nothing of the first try below it', async () => {
    expect(await round(books.backup, 'dump', 'after')).toEqual([])
  })

  it('after the publication: one point, one record of evidence', async () => {
    expect(await round(books.backup, 'publish', 'after')).toEqual([])
  })

  it('before a proof: one proof, no instance', async () => {
    expect(await round(books.verifyRestore, 'proveRestore', 'before')).toEqual([])
  })

  it('after an expiry: just what the report listed is gone', async () => {
    expect(await round(books.retention, 'deletePoints', 'after')).toEqual([])
  })

  it('after the fence: one primary, the other side streams, no row lost', async () => {
    expect(await round(pair.failoverPlanned, 'fenceOldPrimary', 'after')).toEqual([])
  })

  it('after the promotion: promoted once, under one epoch', async () => {
    expect(await round(pair.failoverPlanned, 'promoteReplica', 'after')).toEqual([])
  })
})
