/** Route 53 record sets as data: what a move makes of them, and the batch that leads there. Pure. */
import type { Change, ResourceRecordSet } from '@aws-sdk/client-route-53'
import { isIP } from 'node:net'
import type { Route53Config } from '../../config/schema.ts'
import { HoldfastError } from '../../core/errors.ts'
import { absolute, plainName, recordFor } from './names.ts'
import type { Destination, RecordSet, RecordState } from './traffic.ts'

export type AddressSet = ResourceRecordSet & { Name: string; Type: 'A' | 'AAAA' | 'CNAME' }

export function isAddressSet(set: ResourceRecordSet): set is AddressSet {
  return set.Name !== undefined && (set.Type === 'A' || set.Type === 'AAAA' || set.Type === 'CNAME')
}

/** Route 53 writes `*` and other unusual characters of a name as octal codes. */
export function unescapeName(name: string): string {
  return plainName(name.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8))))
}

export function toState(record: string, sets: AddressSet[]): RecordState {
  return { record, sets: sets.map(toRecordSet) }
}

/** The sets of a state that came from this service, as it had them. */
export function exactSets({ sets }: RecordState): AddressSet[] {
  return sets.map(({ exact }) => exact as unknown as AddressSet)
}

function toRecordSet(set: AddressSet): RecordSet {
  const alias = set.AliasTarget
  const values = alias
    ? [`alias ${plainName(alias.DNSName ?? '')}`]
    : (set.ResourceRecords ?? []).map(({ Value = '' }) => (set.Type === 'CNAME' ? absolute(Value) : Value))
  const exact = JSON.parse(JSON.stringify(set)) as Record<string, unknown>
  return { type: set.Type, ...(set.TTL === undefined ? {} : { ttl: Number(set.TTL) }), values: values.sort(), exact }
}

/** True where Route 53 answers the same by both, however they are written. */
export function sameSets(a: AddressSet[], b: AddressSet[]): boolean {
  const text = (sets: AddressSet[]) => JSON.stringify(sets.map(canonical).sort())
  return text(a) === text(b)
}

function canonical(set: AddressSet): string {
  const { Name, ResourceRecords = [], AliasTarget, ...rest } = set
  const { values } = toRecordSet(set)
  const alias = AliasTarget && [AliasTarget.HostedZoneId, AliasTarget.EvaluateTargetHealth ?? false]
  const attributes = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .sort(([x], [y]) => (x < y ? -1 : 1))
  return JSON.stringify([unescapeName(Name), values, ResourceRecords.length, alias ?? null, attributes])
}

/**
 * What the name has once it points to the site: one set of the configured type, and what decides between several sets
 * (identifier, weight, failover role, health check, …) as it was. An alias for IPv6 beside it moves with it.
 */
export function wantedSets(config: Route53Config, to: Destination, previous: AddressSet[]): AddressSet[] {
  const value = config.values?.[to.site] ?? to.address
  const routing = routingOf(config, previous[0])
  const Name = absolute(config.record)
  if (config.recordType === 'ALIAS') {
    const zone = typeof config.aliasZone === 'string' ? config.aliasZone : config.aliasZone?.[to.site]
    if (!zone)
      throw new HoldfastError(
        'CONFIG_INVALID',
        `the alias ${config.record} needs aliasZone: the hosted zone id of its target at site ${to.site}`,
        { object: config.record },
      )
    const AliasTarget = {
      HostedZoneId: zone,
      DNSName: absolute(value),
      EvaluateTargetHealth: previous.find((set) => set.AliasTarget)?.AliasTarget?.EvaluateTargetHealth ?? false,
    }
    const types = previous.some((set) => set.Type === 'AAAA' && set.AliasTarget) ? (['A', 'AAAA'] as const) : (['A'] as const)
    return types.map((Type) => ({ Name, Type, ...routing, AliasTarget }))
  }
  const found = recordFor(value)
  if (config.recordType === 'A' ? !isIP(value) : isIP(value)) {
    const right =
      config.recordType === 'A' ? 'an IP address; use recordType CNAME for a host name' : 'a host name; use recordType A for an address'
    throw new HoldfastError('CONFIG_INVALID', `${config.record} for site ${to.site} is "${value}", which is not ${right}`, {
      object: config.record,
    })
  }
  return [{ Name, Type: found.type, ...routing, TTL: config.ttl, ResourceRecords: [{ Value: found.value }] }]
}

type Routing = Omit<AddressSet, 'Name' | 'Type' | 'TTL' | 'ResourceRecords' | 'AliasTarget'>

function routingOf({ record, setIdentifier, weight }: Route53Config, previous: AddressSet | undefined): Routing {
  const {
    Name: _name,
    Type: _type,
    TTL: _ttl,
    ResourceRecords: _records,
    AliasTarget: _alias,
    ...kept
  } = previous ?? ({} as Partial<AddressSet>)
  if (setIdentifier && !previous && weight === undefined) {
    throw new HoldfastError('CONFIG_INVALID', `${record} has no set "${setIdentifier}" yet, and a new one needs a weight`, {
      object: record,
    })
  }
  return { ...kept, ...(setIdentifier ? { SetIdentifier: setIdentifier } : {}), ...(weight === undefined ? {} : { Weight: weight }) }
}

/** One batch, which Route 53 applies whole or not at all: UPSERT within a type; another type is a DELETE and a CREATE. */
export function changeBatch(from: AddressSet[], to: AddressSet[]): Change[] {
  const matches = (a: AddressSet) => (b: AddressSet) => a.Type === b.Type && a.SetIdentifier === b.SetIdentifier
  const gone = from.filter((set) => !to.some(matches(set)))
  return [
    ...gone.map((ResourceRecordSet): Change => ({ Action: 'DELETE', ResourceRecordSet })),
    // CREATE, not UPSERT, where there should be none yet: it fails if somebody else made one meanwhile.
    ...to.map((ResourceRecordSet): Change => ({ Action: from.some(matches(ResourceRecordSet)) ? 'UPSERT' : 'CREATE', ResourceRecordSet })),
  ]
}
