/** A RocksDB store by checkpoint: its files by content, restored into a folder, opened and read to the last key. */
import { requireOneMoment } from '../common/one-moment.ts'
import type { DriverWiring, SourceDriver } from '../driver.ts'
import { createAdoption } from './adopt.ts'
import { capture } from './capture.ts'
import { makeCheckpoint, type Origin } from './checkpoint.ts'
import type { RocksdbSourceConfig } from './config.ts'
import { createLive } from './live.ts'
import { removePointFolder } from './places.ts'
import { preflight } from './preflight.ts'
import { destroy, restore } from './restore.ts'
import { verify } from './verify.ts'

export const createDriver = async (config: RocksdbSourceConfig, { source }: Pick<DriverWiring, 'source'>): Promise<SourceDriver> =>
  createRocksdb({ config, source, steadyMs: 60_000 })

export function createRocksdb(origin: Origin): SourceDriver {
  const { config, source } = origin
  return {
    kind: 'rocksdb',
    capabilities: { pointInTime: false, incremental: true, hostBound: true, parts: false, sharesObjects: true, choices: ['into'] },
    preflight: (context) => preflight(config, context),
    snapshot: (context, request) => makeCheckpoint(origin, context, request),
    removeSnapshot: (_, id) => removePointFolder(config, source, id),
    capture: (context, request, sink) => capture(config, context, request, sink),
    async restore(context, manifest, artifacts, { dir, to, choice }) {
      requireOneMoment('a checkpoint', manifest, to)
      return restore(config, context, manifest, artifacts, { dir, ...(choice && { choice }) })
    },
    verify: (context, manifest, target, options) => verify(config, context, manifest, target, options),
    destroy: ({ dir }) => destroy(dir),
    adoption: createAdoption(config),
    live: createLive(config),
  }
}
