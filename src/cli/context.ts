/** What every command is given; the wiring passes in what src/ may not import. */
import { userInfo } from 'node:os'
import type { Client } from '@temporalio/client'
import { InvalidArgumentError, Option } from 'commander'
import type { Catalog } from '../catalog/catalog.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import type { SourceDriver } from '../drivers/driver.ts'
import type { Store } from '../storage/store.ts'
import type { Output } from './output.ts'

/** What a command needs without Temporal. */
export interface OpenedServices {
  store(repository: string): Promise<Store>
  catalog(repository: string): Promise<Catalog>
  driver(source: string): Promise<SourceDriver>
  /** Without its live side, which may be away. */
  repositoryDriver(source: string): Promise<Pick<SourceDriver, 'window'>>
  close(): Promise<void>
}

export type OpenServices = (config: Config) => OpenedServices | Promise<OpenedServices>

export interface ServeOptions {
  configFile: string
  roles: string
  onReady(place: { address: string; roles: string }): void
}

export interface DevOptions {
  configFile: string
  /** Keeps Temporal's state; in memory without it. */
  dbFile?: string
  uiPort?: number
  onReady(place: { address: string; uiUrl: string; roles: string }): void
}

export interface Wiring {
  /** A worker, until it is told to stop. */
  serve(options: ServeOptions): Promise<void>
  /** A Temporal server and a worker in every role, until it is told to stop. */
  dev(options: DevOptions): Promise<void>
  openServices: OpenServices
}

export interface GlobalOptions {
  config: string
  json: boolean
}

export interface CommandContext {
  wiring: Wiring
  options: GlobalOptions
  output: Output
  /** Set where what was asked for is done with something lacking: the exit code says so. */
  lacking?: boolean
}

/** Runs `use` with the configuration and a client, which is closed afterwards. */
export async function withClient<T>({ options }: CommandContext, use: (client: Client, config: Config) => Promise<T>): Promise<T> {
  const [config, { connectClient }] = await Promise.all([loadConfig(options.config), import('../temporal/connection.ts')])
  const client = await connectClient(config.temporal)
  try {
    return await use(client, config)
  } finally {
    await client.connection.close()
  }
}

/** Runs `use` with the repositories and drivers themselves: works with Temporal down. */
export async function withServices<T>(
  { options, wiring }: CommandContext,
  use: (services: OpenedServices, config: Config) => Promise<T>,
): Promise<T> {
  const config = await loadConfig(options.config)
  const services = await wiring.openServices(config)
  try {
    return await use(services, config)
  } finally {
    await services.close()
  }
}

/** For an option that may be given again: one that takes all words up to the next would swallow the arguments. */
export const again = (value: string, before: string[] = []): string[] => [...before, value]

/** For an option that knows its words: another one is refused here, before anything is asked of a server. */
export const oneOf =
  (words: readonly string[]) =>
  (value: string): string => {
    if (words.includes(value)) return value
    throw new InvalidArgumentError(`one of ${words.join(', ')}`)
  }

/** `--by`: who acts, declared in every run and update; whoever is logged in by default. */
export function byOption(description: string): Option {
  return new Option('--by <name>', description).default(me(), 'the user logged in')
}

function me(): string {
  try {
    // Under sudo the person, not root: a second person has to have another name.
    return process.env['SUDO_USER'] || process.env['USER'] || userInfo().username
  } catch {
    return 'unknown'
  }
}
