/** A site of the config with its secrets resolved, as the functions of src/failover/database take it. */
import type { Config, FailoverGroupConfig } from '../src/config/schema.ts'
import { resolveSecret } from '../src/config/secrets.ts'
import { seconds } from '../src/core/duration.ts'
import { HoldfastError } from '../src/core/errors.ts'
import type { Site } from '../src/failover/database/site.ts'

export function groupOf(config: Config, name: string): FailoverGroupConfig {
  const group = config.failoverGroups[name]
  if (group) return group
  const known = Object.keys(config.failoverGroups)
  const next =
    known.length > 0 ? `name one of ${known.join(', ')}` : 'describe the pair below failoverGroups of holdfast.yaml: docs/pair.md shows how'
  throw new HoldfastError(
    'NOT_FOUND',
    `No failover group "${name}"; ${known.length > 0 ? `there is ${known.join(', ')}` : 'failoverGroups is empty'}`,
    {
      object: name,
      next,
    },
  )
}

export async function siteOf(group: FailoverGroupConfig, name: string, signal?: AbortSignal): Promise<Site> {
  const site = group.sites[name]
  if (!site) throw new HoldfastError('NOT_FOUND', `No site "${name}"; there is ${Object.keys(group.sites).join(', ')}`, { object: name })
  const { password, replicationPassword, ...database } = group.database
  return {
    ...site,
    name,
    database: {
      ...database,
      ...(password !== undefined && { password: await resolveSecret(password) }),
      ...(replicationPassword !== undefined && { replicationPassword: await resolveSecret(replicationPassword) }),
    },
    ...(signal && { signal }),
  }
}

/** The other side of a pair. */
export function otherSite(group: FailoverGroupConfig, name: string): string {
  const other = Object.keys(group.sites).find((site) => site !== name)
  if (!other) throw new HoldfastError('CONFIG_INVALID', `The pair of ${name} has one site`, { object: name })
  return other
}

/** How long a clean stop on the host may take before processes are killed. */
export function stopTimeout({ fence }: FailoverGroupConfig): number {
  const wanted = fence.find((one) => one.type === 'stop-instance')
  return seconds(wanted?.timeout ?? '10s') * 1000
}

/** A side of a pair, as inputs name it. */
export interface Place {
  group: string
  site: string
}

export async function placeAt(config: Config, { group, site }: Place, signal?: AbortSignal) {
  const found = groupOf(config, group)
  return { group: found, site: await siteOf(found, site, signal) }
}
