/** What activities are given by the worker that wires them. Narrow on purpose: a test passes its own. */
import type { Client } from '@temporalio/client'
import type { Catalog } from '../src/catalog/catalog.ts'
import { placesToLook } from '../src/config/copies.ts'
import type { Config, SourceConfig } from '../src/config/schema.ts'
import { sourceOf } from '../src/config/named.ts'
import type { SourceDriver } from '../src/drivers/driver.ts'
import type { Bandwidth } from '../src/pipeline/bandwidth.ts'
import type { Turns } from '../src/pipeline/turns.ts'
import type { Store } from '../src/storage/store.ts'

/** What a driver does without its source. */
export type RepositoryDriver = Omit<SourceDriver, 'preflight' | 'capture' | 'live' | 'switchWal'>

/** What all captures of this worker to one repository share. */
export interface RepositoryLimits {
  bandwidth?: Bandwidth
  turns?: Turns
}

export interface Services {
  config: Config
  client: Client
  store(repository: string): Promise<Store>
  catalog(repository: string): Promise<Catalog>
  /** The driver of a source as it is now: of a pair's, on the side of `host`, else on the one that is primary at this moment. */
  driver(source: string, host?: string): Promise<SourceDriver>
  /** The same for what needs only the repository, which has to work while no side takes writes: as it is on `host`. */
  repositoryDriver(source: string, host?: string): Promise<RepositoryDriver>
  /** Where a source is now, or is configured to be while no side takes writes; without its password, for commands that people read. */
  liveConnection(source: string): Promise<string>
  limits(repository: string): RepositoryLimits
  /** Folder of this worker for scratch instances. */
  scratchRoot(source: SourceConfig): string
}

export { sourceOf }

/** The repository of a source, as a store and as a catalogue; or another one that has copies of its points. */
export async function openSource(services: Services, source: string, copy?: string): Promise<{ store: Store; catalog: Catalog }> {
  const repository = repositoryOf(services.config, source, copy)
  return { store: await services.store(repository), catalog: await services.catalog(repository) }
}

/** Its own where none is named. Throws NOT_FOUND for one that has no copies of it. */
export const repositoryOf = (config: Config, name: string, copy?: string): string => placesToLook(sourceOf(config, name), name, copy)[0]
