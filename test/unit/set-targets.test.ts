/** What a member of a set would be restored over: a live system with a fingerprint, or nothing. */
import { expect, it } from 'vitest'
import type { Services } from '../../activities/services.ts'
import { createSetActivities } from '../../activities/sets.ts'
import { BESIDE } from '../../src/core/sets.ts'
import { inActivity } from '../support/activity.ts'

const fingerprintOf = (driver: object) =>
  inActivity(() =>
    createSetActivities({ config: {}, driver: async () => driver } as unknown as Services).fingerprintOf({ source: 'orders' }),
  )

it('a driver whose points go over the live system says which one that is', async () => {
  expect(await fingerprintOf({ kind: 'redis', live: { fingerprint: async () => 'cache:6379/7' } })).toBe('cache:6379/7')
})

it('a driver whose points are recovered beside replaces nothing, and keeps no set from being recovered', async () => {
  expect(await fingerprintOf({ kind: 'postgres-physical' })).toBe(BESIDE)
})
