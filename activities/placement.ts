/** Which host a source lives on now: a pair's source moves with its primary. */
import { type Config, type FailoverGroupConfig, isPostgres, type SiteConfig, type SourceConfig } from '../src/config/schema.ts'
import { HoldfastError, messageOf } from '../src/core/errors.ts'
import { readPosition, withSite } from '../src/failover/database/site.ts'
import { sourceOf } from './services.ts'
import { siteOf } from './sites.ts'

export function groupOfSource(config: Config, source: string): [string, FailoverGroupConfig] | undefined {
  const configured = config.sources[source]
  const named = configured && isPostgres(configured) ? configured.group : undefined
  return Object.entries(config.failoverGroups).find(([name, group]) => name === named || group.source === source)
}

/** The site that takes writes at this moment. Throws SOURCE_UNREACHABLE where none or both do: nobody may guess then. */
export async function primarySite(group: FailoverGroupConfig): Promise<string> {
  const asked = await askSites(group)
  const primaries = asked.filter((one) => one.primary)
  if (primaries.length === 1 && primaries[0]) return primaries[0].site
  const said = asked.map((one) => `${one.site}: ${one.primary ? 'takes writes' : one.why || 'standby'}`).join('; ')
  throw new HoldfastError(
    'SOURCE_UNREACHABLE',
    primaries.length > 1 ? `both sites take writes: ${said}` : `no site takes writes: ${said}`,
    {
      next: primaries.length > 1 ? 'fence one side at once' : 'start holdfast failover',
      retryable: false,
    },
  )
}

/**
 * Where what needs only the repository is done: beside the primary, and where none or both take writes on a side that
 * answers, the configured host first. An outage is when a copy is wanted most.
 */
async function repositorySite(group: FailoverGroupConfig, configured: string | undefined): Promise<string | undefined> {
  const asked = await askSites(group)
  const primaries = asked.filter((one) => one.primary)
  if (primaries.length === 1) return primaries[0]?.site
  const isConfigured = ({ site }: { site: string }) => group.sites[site]?.host === configured
  const answering = asked.filter((one) => !one.why)
  return (answering.find(isConfigured) ?? answering[0] ?? asked.find(isConfigured))?.site
}

/**
 * Where a restore over a pair begins: on the side that takes writes; where none does, on the one that is no standby, and
 * where neither answers as one, at home. Throws SOURCE_UNREACHABLE where both take writes.
 */
async function siteToRestore(group: FailoverGroupConfig): Promise<string> {
  const asked = await askSites(group)
  if (asked.some(({ primary }) => primary)) return primarySite(group)
  const standbys = asked.filter(({ why }) => why === '')
  const others = asked.filter(({ why }) => why !== '')
  return standbys.length === 1 && others[0] ? others[0].site : group.primary
}

interface Asked {
  site: string
  primary: boolean
  /** Why it does not answer. */
  why: string
}

function askSites(group: FailoverGroupConfig): Promise<Asked[]> {
  return Promise.all(
    Object.keys(group.sites).map(async (site) => {
      try {
        return { site, primary: !(await withSite(await siteOf(group, site), readPosition)).standby, why: '' }
      } catch (error) {
        return { site, primary: false, why: messageOf(error) || 'no answer' }
      }
    }),
  )
}

/** The host for work on the live source. Throws SOURCE_UNREACHABLE where a pair has no side that takes writes, or two. */
export async function currentHost(config: Config, name: string): Promise<string | undefined> {
  const source = sourceOf(config, name)
  const pair = groupOfSource(config, name)
  if (source.driver !== 'postgres-physical') return source.host
  return pair ? pair[1].sites[await primarySite(pair[1])]?.host : source.host
}

/** The host for a restore over the live source: an outage is when that may be wanted. */
export async function hostToRestore(config: Config, name: string): Promise<string | undefined> {
  const pair = pairOf(config, name)
  return pair ? pair[1].sites[await siteToRestore(pair[1])]?.host : sourceOf(config, name).host
}

/** The failover group whose sides are the source itself: a dump of a database leaves them what they are. */
export const pairOf = (config: Config, name: string): [string, FailoverGroupConfig] | undefined =>
  sourceOf(config, name).driver === 'postgres-physical' ? groupOfSource(config, name) : undefined

/** The side that a physical source of a pair is on this host. */
export function sideAt(config: Config, name: string, host: string | undefined): SiteConfig | undefined {
  return Object.values(pairOf(config, name)?.[1].sites ?? {}).find((one) => one.host === host)
}

/** The host for work that needs only the repository; there is one whatever state a pair is in. */
export async function repositoryHost(config: Config, name: string): Promise<string | undefined> {
  const source = sourceOf(config, name)
  const pair = groupOfSource(config, name)
  if (source.driver !== 'postgres-physical') return source.host
  const site = pair && (await repositorySite(pair[1], source.host))
  return (site !== undefined && pair?.[1].sites[site]?.host) || source.host
}

/** Every host where work of this source may have left something; none where any data worker does it. */
export function hostsOfSource(config: Config, name: string): string[] {
  const source = sourceOf(config, name)
  if (source.driver !== 'postgres-physical') return source.host ? [source.host] : []
  const sites = Object.values(groupOfSource(config, name)?.[1].sites ?? {})
  return [...new Set([source.host, ...sites.map(({ host }) => host)])]
}

/** A physical source of a pair, as it is on one of its sites; as it is configured on any other host. */
export function sourceAt(config: Config, name: string, host: string | undefined): SourceConfig {
  const source = sourceOf(config, name)
  const site = sideAt(config, name, host)
  if (source.driver !== 'postgres-physical' || !site) return source
  const { osUser, pgbackrestConfig, binDir, dataDir, supervisor } = site
  const service = { stop: supervisor.stop, start: supervisor.start }
  const own = { ...(osUser && { osUser }), ...(pgbackrestConfig && { pgbackrestConfig }) }
  return { ...source, host: site.host, binDir, dataDir, service, ...own }
}
