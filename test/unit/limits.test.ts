import { expect, it } from 'vitest'
import { bandwidthSchema } from '../../src/config/schema/limits.ts'
import { createLimits, limitNow } from '../../workers/limits.ts'

it('the bandwidth is that of the first window that fits the moment, else the general one, else none', () => {
  let now = new Date('2026-11-20T12:00:00Z')
  const given = {
    limit: '50MB',
    at: [
      { window: 'Mon-Fri 08:00-18:00', limit: '10MB' },
      { window: 'daily 00:00-24:00', limit: '20MB' },
    ],
  }
  const limit = limitNow(bandwidthSchema.parse(given), () => now)
  expect(limit()).toBe(10 * 1024 ** 2)
  now = new Date('2026-11-20T18:00:00Z')
  expect(limit()).toBe(20 * 1024 ** 2)
  const office = { ...given, at: given.at.slice(0, 1) }
  expect(limitNow(bandwidthSchema.parse(office), () => now)()).toBe(50 * 1024 ** 2)
  expect(limitNow(bandwidthSchema.parse({ at: office.at }), () => now)()).toBeUndefined()
})

it('all captures to a repository share its limits, and no other has them', () => {
  const limits = createLimits({
    hot: { type: 'folder', path: '/a', captures: 2, bandwidth: bandwidthSchema.parse({ limit: '1MB' }) },
    dr: { type: 'folder', path: '/b' },
  })
  expect(limits('hot')).toBe(limits('hot'))
  expect(Object.keys(limits('hot')).sort()).toEqual(['bandwidth', 'turns'])
  expect(limits('dr')).toEqual({})
})
