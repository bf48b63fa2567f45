/** A source whose engine plays its part, and the real activities that copy, look, keep and bring back its points. */
import { createCopyActivities } from '../../../activities/copies.ts'
import { createProofActivities } from '../../../activities/proof.ts'
import { createRecoverActivities } from '../../../activities/recover.ts'
import { createRestoreActivities } from '../../../activities/restore.ts'
import { createRetentionActivities } from '../../../activities/retention.ts'
import type { RepositoryDriver, Services } from '../../../activities/services.ts'
import { HoldfastError } from '../../../src/core/errors.ts'
import { newestFirst } from '../../../src/core/points.ts'
import { failing } from './failing.ts'
import { sourceFakes } from './source.ts'
import type { Fakes } from './stage.ts'

export interface PointsSource {
  fakes: Fakes
  services: Services
  /** What a restore read. */
  readonly restored: string[]
  /** What a recovery to a point in time reads beside the point. */
  readonly log: { there: boolean }
}

export function pointsSource(places: Pick<Services, 'config' | 'store' | 'catalog' | 'scratchRoot'>): PointsSource {
  const restored: string[] = []
  const log = { there: true }
  const driver = playedDriver(restored, log)
  const services = { ...places, repositoryDriver: async () => driver, limits: () => ({}) } as Partial<Services> as Services
  const real = {
    ...createCopyActivities(services),
    ...createProofActivities(services),
    ...createRetentionActivities(services),
    ...createRestoreActivities(services),
    ...createRecoverActivities(services),
  }
  const fakes = sourceFakes({ ...failing(real as Fakes), listSources: async () => ['orders'] })
  return { fakes, services, restored, log }
}

function playedDriver(restored: string[], log: { there: boolean }): RepositoryDriver {
  const driver: Partial<RepositoryDriver> = {
    kind: 'files',
    restore: async (_, { artifacts }, source, { dir, to }) => {
      for (const artifact of artifacts) restored.push(String(Buffer.concat(await (await source.read(artifact)).toArray())))
      const stoppedAt = to && { time: to.time ?? '', paused: false }
      return { target: { kind: 'scratch', dir, connection: dir, database: 'orders' }, bytes: 1, ...(stoppedAt && { stoppedAt }) }
    },
    plan: async ({ time = '' }, manifests) => {
      if (!log.there) throw new HoldfastError('NOT_FOUND', 'there is no folder /srv/log')
      const base = manifests.filter(({ createdAt }) => createdAt <= time).sort(newestFirst)[0]
      if (!base) throw new HoldfastError('TARGET_OUT_OF_RANGE', `no point is as old as ${time}`)
      return { label: base.id, timeline: 1, pointId: base.id }
    },
    verify: async () => [{ name: 'files', ok: true, expected: '1', actual: '1' }],
    destroy: async () => {},
  }
  return driver as RepositoryDriver
}
