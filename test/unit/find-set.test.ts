/** Which set a recovery takes, where repositories are gone, silent or behind. */
import { afterEach, expect, it, vi } from 'vitest'
import type { Services } from '../../activities/services.ts'
import { createSetActivities } from '../../activities/sets.ts'

afterEach(() => void vi.useRealTimers())

const record = (day: number, complete = true) => {
  const createdAt = `2026-01-0${day}T12:00:00Z`
  return { id: `2026010${day}_120000_all`, set: 'all', createdAt, complete }
}
const [older, newer] = [record(1), record(2)]

type Listing = () => Promise<object[]>
const silent: Listing = () => new Promise(() => {})

function findSet(repositories: Record<string, Listing>, recoverySet?: string) {
  const services = {
    config: {
      sources: { orders: { repository: 'hot', copies: ['dr'] } },
      sets: { all: { sources: ['orders'], order: 'dependency' } },
    },
    catalog: async (name: string) => ({ listSets: repositories[name] }),
  }
  return createSetActivities(services as unknown as Services).findSet({ set: 'all', ...(recoverySet !== undefined && { recoverySet }) })
}

it('a repository that hangs does not keep a set from being found in a copy, and that it was not read is told', async () => {
  vi.useFakeTimers()
  const found = findSet({ hot: silent, dr: async () => [older] })
  await vi.advanceTimersByTimeAsync(60_000)
  await expect(found).resolves.toEqual({
    ...older,
    unread: ['the repository hot was not read, and may have a newer set: hot has not answered within 45 s'],
  })
})

it('the newest complete set of all repositories is taken', async () => {
  const repositories = { hot: async () => [older], dr: async () => [record(3, false), newer, older] }
  await expect(findSet(repositories)).resolves.toEqual(newer)
})

it('a set that is named is that one wherever it is, and nothing newer is of interest', async () => {
  const gone = async () => Promise.reject(new Error('gone'))
  await expect(findSet({ hot: gone, dr: async () => [newer, older] }, older.id)).resolves.toEqual(older)
  await expect(findSet({ hot: gone, dr: async () => [newer] }, older.id)).rejects.toThrow('gone')
  const none = { code: 'NOT_FOUND', object: older.id }
  await expect(findSet({ hot: async () => [], dr: async () => [newer] }, older.id)).rejects.toMatchObject(none)
})
