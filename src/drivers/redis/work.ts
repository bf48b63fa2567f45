/** What each step of the driver works with: the configuration, the server, and folders of this worker named by the point. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RedisSourceConfig } from './config.ts'
import { type Server, serverOf } from './connect.ts'

export interface Work {
  config: RedisSourceConfig
  /** The name of the source. */
  source: string
  server(): Promise<Server>
}

export function workOf(config: RedisSourceConfig, wiring: { source: string; secret(reference: string): Promise<string> }): Work {
  return { config, source: wiring.source, server: () => serverOf(config, wiring.secret) }
}

const root = ({ config }: Work): string => config.scratchDir ?? tmpdir()

/** Where one try of a capture looks at its RDB. */
export const lookDir = (work: Work, id: string, attempt: number): string =>
  join(root(work), `holdfast-look-${work.source}-${id}-${attempt}`)

/** The saved file under the name of the point. */
export const savedFile = (work: Work, id: string): string => join(root(work), `holdfast-saved-${work.source}-${id}.rdb`)

/** Where a restore over the live server is made, where its run names no folder. */
export const besideDir = (work: Work, id: string): string => join(root(work), `holdfast-restore-${work.source}-${id}`)
