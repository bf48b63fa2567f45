/** A Temporal with a namespace of its own, its driver, and what of it a test looks at. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '@temporalio/client'
import { openTemporalSample, type TemporalSample } from '../../scripts/sources/temporal.ts'
import type { Manifest } from '../../src/core/records.ts'
import type { ArtifactSource, SourceDriver } from '../../src/drivers/driver.ts'
import type { BundleLimits } from '../../src/drivers/temporal/bundles.ts'
import { temporalSource } from '../../src/drivers/temporal/config.ts'
import { createTemporal } from '../../src/drivers/temporal/index.ts'
import { linesIn } from '../../src/drivers/temporal/read-bundle.ts'
import type { IndexLine } from '../../src/drivers/temporal/records.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'

export interface TemporalBench {
  sample: TemporalSample
  repository: Repository
  scratch: string
  source: ArtifactSource
  /** What runs Holdfast is the other namespace of the server, unless the test says otherwise. */
  driver(more?: object, orchestrator?: { address: string; namespace: string }, limits?: BundleLimits): SourceDriver
  take(base?: Manifest, more?: object, limits?: BundleLimits): Promise<Manifest>
  /** Runs `look` on the restored point, which is gone afterwards. */
  restored<T>(manifest: Manifest, look: (place: { dir: string; lines: (IndexLine & { part: string })[] }) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export async function openTemporalBench(): Promise<TemporalBench> {
  const scratch = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  const repository = await openRepository()
  const sample = await openTemporalSample(scratch)
  const source = createSource({ store: repository.store, identityFile: repository.identity.file })
  const driver: TemporalBench['driver'] = (more = {}, orchestrator, limits) => {
    const config = temporalSource.parse({ driver: 'temporal', repository: 'hot', ...sample.config, ...more })
    const own = orchestrator ?? { address: sample.server.address, namespace: 'default' }
    return createTemporal(config, { source: 'orders', secret: async (reference) => reference, orchestrator: own }, limits)
  }
  return {
    sample,
    repository,
    scratch,
    source,
    driver,
    take: (base, more, limits) =>
      takePoint(driver(more, undefined, limits), repository, { ...nextRequest(), ...(base && { base, kind: 'incremental' as const }) }),
    async restored(manifest, look) {
      const dir = join(scratch, 'look')
      await driver().restore(contextFor(), manifest, source, { dir })
      try {
        const lines: (IndexLine & { part: string })[] = []
        for await (const { line, file } of linesIn(manifest, dir)) lines.push({ ...line, part: file.slice(join(dir, 'histories/').length) })
        return await look({ dir, lines })
      } finally {
        await driver().destroy({ dir })
      }
    },
    async close() {
      await sample.close()
      for (const folder of [scratch, repository.dir]) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Schedules of the sample that are there, to whether they are paused, their note and when they are due. Their list lags behind. */
export async function schedulesOf(
  { connection: { workflowService } }: Client,
  namespace: string,
): Promise<Record<string, { paused: boolean; notes: string; spec: string }>> {
  const found: Record<string, { paused: boolean; notes: string; spec: string }> = {}
  for (const scheduleId of ['campaign', 'cleanup', 'report']) {
    const described = await workflowService.describeSchedule({ namespace, scheduleId }).catch(() => undefined)
    const { paused, notes } = described?.schedule?.state ?? {}
    if (described) found[scheduleId] = { paused: paused === true, notes: notes ?? '', spec: JSON.stringify(described.schedule?.spec) }
  }
  return found
}
