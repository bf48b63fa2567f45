/** Which host a source lives on now: a pair's source moves with its primary. */
import type { Config, FailoverGroupConfig } from '../src/config/schema.ts'
import { HoldfastError, messageOf } from '../src/core/errors.ts'
import { readPosition, withSite } from '../src/failover/database/site.ts'
import { siteOf } from './sites.ts'

export function groupOfSource(config: Config, source: string): [string, FailoverGroupConfig] | undefined {
  const named = config.sources[source]?.group
  return Object.entries(config.failoverGroups).find(([name, group]) => name === named || group.source === source)
}

/** The site that takes writes at this moment. Throws SOURCE_UNREACHABLE where none or both do: nobody may guess then. */
export async function primarySite(group: FailoverGroupConfig): Promise<string> {
  const asked = await Promise.all(
    Object.keys(group.sites).map(async (site) => {
      try {
        return { site, primary: !(await withSite(await siteOf(group, site), readPosition)).standby, why: '' }
      } catch (error) {
        return { site, primary: false, why: messageOf(error) }
      }
    }),
  )
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

export async function currentHost(config: Config, source: string): Promise<string | undefined> {
  const pair = groupOfSource(config, source)
  if (pair && config.sources[source]?.driver === 'postgres-physical') return pair[1].sites[await primarySite(pair[1])]?.host
  const found = config.sources[source]
  if (!found)
    throw new HoldfastError('NOT_FOUND', `No source "${source}"; there is ${Object.keys(config.sources).join(', ')}`, { object: source })
  return found.driver === 'postgres-physical' ? found.host : undefined
}
