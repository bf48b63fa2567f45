/** Wires configuration to drivers, stores and the catalogue: the only place that knows every kind. */
import { tmpdir } from 'node:os'
import type { Client } from '@temporalio/client'
import { currentHost, groupOfSource, primarySite, repositoryHost, sideAt, sourceAt } from '../activities/placement.ts'
import { type RepositoryDriver, type Services, sourceOf } from '../activities/services.ts'
import { type Catalog, createCatalog } from '../src/catalog/catalog.ts'
import { createVerifier } from '../src/catalog/signing.ts'
import { named } from '../src/config/named.ts'
import { type Config, isPostgres, type SiteConfig, type SourceConfig } from '../src/config/schema.ts'
import { resolveSecret } from '../src/config/secrets.ts'
import { openSigner } from '../src/config/signer.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { DriverWiring, SourceDriver } from '../src/drivers/driver.ts'
import { formatConnection, parseConnection } from '../src/drivers/postgres-common/connect.ts'
import { DRIVERS } from '../src/drivers/registry.ts'
import { openStore } from '../src/storage/open.ts'
import type { Store } from '../src/storage/store.ts'
import { createLimits } from './limits.ts'
import { openArchive } from './open-archive.ts'

export interface WiredServices extends Services {
  close(): Promise<void>
}

/** Everything but Temporal: what the command line needs to read a repository by itself. */
export const openServices = (config: Config): Omit<WiredServices, 'client'> => wire(config)

export const createServices = (config: Config, client: Client): WiredServices => ({ ...wire(config), client })

function wire(config: Config): Omit<WiredServices, 'client'> {
  const stores = new Map<string, Promise<Store>>()
  const catalogs = new Map<string, Promise<Catalog>>()
  const once = <T>(cache: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> => {
    const found = cache.get(key)
    if (found) return found
    const made = make()
    cache.set(key, made)
    made.catch(() => cache.delete(key))
    return made
  }
  const store = (repository: string) =>
    once(stores, repository, async () => openStore(named('repository', config.repositories, repository)))
  return {
    config,
    store,
    catalog: (repository) => once(catalogs, repository, () => openCatalog(config, store(repository))),
    driver: (source, host) => createDriver(config, source, host),
    repositoryDriver: (source, host) => createRepositoryDriver(config, source, host),
    liveConnection: (source) => liveConnection(config, source),
    limits: createLimits(config.repositories),
    scratchRoot: (source) => source.scratchDir ?? tmpdir(),
    async close() {
      for (const open of stores.values()) (await open).close()
    },
  }
}

export async function openCatalog(config: Config, store: Promise<Store>): Promise<Catalog> {
  const [signer, opened] = await Promise.all([openSigner(config.signing), store])
  return createCatalog({ store: opened, signer, verifier: createVerifier(config.signing.publicKeys) })
}

/** Where the source is of a pair, on the side of that host; without one, on the side that is primary now. */
async function createDriver(config: Config, name: string, host: string | undefined): Promise<SourceDriver> {
  const side = sideAt(config, name, host)
  const source = sourceAt(config, name, side?.host ?? (await currentHost(config, name)))
  return driverOf(config, name, source, () => (side ? connectionTo(side, source) : connectionOf(config, name)))
}

/** Its connection names a role and a database only: the server there may be gone, or be another one by now. */
async function createRepositoryDriver(config: Config, name: string, host: string | undefined): Promise<RepositoryDriver> {
  const source = sourceAt(config, name, host ?? (await repositoryHost(config, name)))
  return driverOf(config, name, source, () => configuredConnection(source))
}

async function driverOf(config: Config, name: string, source: SourceConfig, connection: () => Promise<string>): Promise<SourceDriver> {
  const { createDriver: create } = await DRIVERS[source.driver].load()
  const wiring: DriverWiring = {
    source: name,
    connection,
    secret: resolveSecret,
    orchestrator: config.temporal,
    archive: (archive, options) => openArchive(config, archive, options),
  }
  // The list holds each driver beside the configuration that it takes.
  return (create as (config: SourceConfig, wiring: DriverWiring) => Promise<SourceDriver>)(source, wiring)
}

const configuredConnection = async (source: SourceConfig): Promise<string> => (isPostgres(source) ? resolveSecret(source.connection) : '')

async function connectionOf(config: Config, name: string): Promise<string> {
  const source = sourceOf(config, name)
  const pair = groupOfSource(config, name)
  const site = pair?.[1].sites[await primarySite(pair[1])]
  return site ? connectionTo(site, source) : configuredConnection(source)
}

const connectionTo = async ({ address, port }: SiteConfig, source: SourceConfig): Promise<string> =>
  formatConnection({ ...parseConnection(await configuredConnection(source)), host: address, port: String(port) })

/** While no side of a pair takes writes, what is configured: it is for a command that somebody runs later. */
async function liveConnection(config: Config, name: string): Promise<string> {
  const live = await connectionOf(config, name).catch((error: unknown) => {
    if (error instanceof HoldfastError && error.code === 'SOURCE_UNREACHABLE') return configuredConnection(sourceOf(config, name))
    throw error
  })
  const { password: _, ...words } = parseConnection(live)
  return formatConnection(words)
}
