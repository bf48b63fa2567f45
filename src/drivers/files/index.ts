/** Files and configuration: a folder as one tar stream with an index of its own, restored and compared file by file. */
import { requireOneMoment } from '../common/one-moment.ts'
import type { DriverWiring, SourceDriver } from '../driver.ts'
import { capture } from './capture.ts'
import type { FilesSourceConfig } from './config.ts'
import { createLive, diff } from './live.ts'
import { preflight } from './preflight.ts'
import { restoreScratch } from './restore.ts'
import { removeScratch } from './scratch.ts'
import { verify } from './verify.ts'

export const createDriver = async (config: FilesSourceConfig, _wiring: DriverWiring): Promise<SourceDriver> => createFiles(config)

export function createFiles(config: FilesSourceConfig): SourceDriver {
  return {
    kind: 'files',
    capabilities: {
      pointInTime: false,
      incremental: false,
      hostBound: config.host !== undefined,
      parts: true,
      choices: ['parts', 'into', 'mode'],
    },
    preflight: (context) => preflight(config, context),
    capture: (context, request, sink) => capture(config, context, request, sink),
    async restore(context, manifest, source, { dir, to, choice }) {
      requireOneMoment('an archive', manifest, to)
      return restoreScratch(config, context, manifest, source, { dir, ...(choice && { choice }) })
    },
    verify: (context, manifest, target, options) => verify(context, manifest, target, options),
    destroy: ({ dir }) => removeScratch(dir),
    live: createLive(config),
    diff: (manifest, choice, looking) => diff(config, manifest, choice, looking),
  }
}
