/** The five calls of Route 53 that moving a record needs, with errors in Holdfast's words. */
import {
  type Change,
  ChangeResourceRecordSetsCommand,
  GetChangeCommand,
  GetHostedZoneCommand,
  ListResourceRecordSetsCommand,
  Route53Client,
} from '@aws-sdk/client-route-53'
import type { Route53Config } from '../../config/schema.ts'
import { resolveSecret } from '../../config/secrets.ts'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import { absolute, formatServer, plainName } from './names.ts'
import { type AddressSet, isAddressSet, unescapeName } from './record-sets.ts'

const POLL_MS = 1_000

export interface Route53Api {
  /** Sets of A, AAAA and CNAME at the record's name, with the configured identifier where there is one. */
  list(signal: AbortSignal): Promise<AddressSet[]>
  /** All or nothing; gives the id to ask for. */
  change(changes: Change[], signal: AbortSignal): Promise<string>
  /** Resolves once every name server of Route 53 has the change. */
  awaitInsync(id: string, options: { signal: AbortSignal; timeoutMs: number }): Promise<void>
  /** The servers that the world asks; none for a private zone. */
  publicServers(signal: AbortSignal): Promise<string[]>
}

export function route53Api(config: Route53Config): Route53Api {
  const call = <T>(send: (client: Route53Client) => Promise<T>) => withClient(config, send)
  return {
    list: (signal) => call((client) => list(client, config, signal)),
    change: (Changes, signal) =>
      call(async (client) => {
        const reply = await client.send(new ChangeResourceRecordSetsCommand({ HostedZoneId: config.zone, ChangeBatch: { Changes } }), {
          abortSignal: signal,
        })
        return reply.ChangeInfo?.Id ?? ''
      }),
    awaitInsync: (id, options) => call((client) => awaitInsync(client, config, id, options)),
    publicServers: (signal) =>
      call(async (client) => {
        const { HostedZone, DelegationSet } = await client.send(new GetHostedZoneCommand({ Id: config.zone }), { abortSignal: signal })
        return HostedZone?.Config?.PrivateZone ? [] : (DelegationSet?.NameServers ?? []).map((name) => formatServer(plainName(name), 53))
      }),
  }
}

/** A client for one step: what a secret refers to may be renewed between two. */
async function withClient<T>(config: Route53Config, send: (client: Route53Client) => Promise<T>): Promise<T> {
  const { accessKeyId, secretAccessKey, region, endpoint } = config
  const credentials =
    accessKeyId && secretAccessKey
      ? { accessKeyId: await resolveSecret(accessKeyId), secretAccessKey: await resolveSecret(secretAccessKey) }
      : undefined
  const client = new Route53Client({
    region,
    maxAttempts: 4,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 20_000 },
    ...(endpoint ? { endpoint } : {}),
    ...(credentials ? { credentials } : {}),
  })
  try {
    return await send(client)
  } catch (error) {
    throw translated(error, config)
  } finally {
    client.destroy()
  }
}

async function list(client: Route53Client, { zone, record, setIdentifier }: Route53Config, signal: AbortSignal): Promise<AddressSet[]> {
  const found: AddressSet[] = []
  let from: { StartRecordName?: string; StartRecordType?: AddressSet['Type']; StartRecordIdentifier?: string } = {
    StartRecordName: absolute(record),
  }
  for (;;) {
    const page = await client.send(new ListResourceRecordSetsCommand({ HostedZoneId: zone, ...from }), { abortSignal: signal })
    const sets = page.ResourceRecordSets ?? []
    const own = sets.filter((set) => unescapeName(set.Name ?? '') === plainName(record))
    found.push(...own.filter(isAddressSet))
    // Names come in order: the first other one ends it.
    if (own.length < sets.length || !page.IsTruncated) break
    from = {
      StartRecordName: page.NextRecordName,
      StartRecordType: page.NextRecordType as AddressSet['Type'],
      StartRecordIdentifier: page.NextRecordIdentifier,
    }
  }
  const strange = found.find((set) => (set.SetIdentifier === undefined) !== (setIdentifier === undefined))
  if (strange) {
    const what = setIdentifier
      ? `is one plain set, not several of which one is "${setIdentifier}"`
      : `has several sets with identifiers (${found.map((set) => set.SetIdentifier).join(', ')})`
    throw new HoldfastError('CONFIG_INVALID', `${record} ${what}`, {
      object: record,
      next: setIdentifier ? 'remove setIdentifier' : 'name the one to change in setIdentifier',
    })
  }
  return found.filter((set) => set.SetIdentifier === setIdentifier)
}

async function awaitInsync(
  client: Route53Client,
  { record }: Route53Config,
  Id: string,
  { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number },
): Promise<void> {
  const isInsync = async () => (await client.send(new GetChangeCommand({ Id }), { abortSignal: signal })).ChangeInfo?.Status === 'INSYNC'
  try {
    await until(isInsync, { timeoutMs, everyMs: POLL_MS, what: `change ${Id} of ${record} to be INSYNC`, signal })
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'PROCESS_TIMEOUT') throw error
    throw new HoldfastError('TRAFFIC_UNCONFIRMED', `the change of ${record} is still PENDING after ${timeoutMs / 1000} s`, {
      object: record,
      next: `aws route53 get-change --id ${Id}`,
    })
  }
}

const DENIED =
  /^(AccessDenied|AccessDeniedException|InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch|ExpiredToken|ExpiredTokenException|InvalidSignatureException|CredentialsProviderError|NotAuthorized)/

function translated(error: unknown, { record, zone }: Route53Config): HoldfastError {
  if (error instanceof HoldfastError) return error
  const name = error instanceof Error ? error.name : ''
  const said = `${name}: ${messageOf(error)}`
  const options = { object: record, cause: error }
  if (name === 'AbortError') return new HoldfastError('CANCELLED', `the change of ${record} was cancelled`, options)
  if (DENIED.test(name))
    return new HoldfastError('TRAFFIC_DENIED', `Route 53 refuses access to ${record} in zone ${zone} (${said})`, {
      ...options,
      next: 'allow route53:ListResourceRecordSets, ChangeResourceRecordSets, GetChange and GetHostedZone',
    })
  if (name === 'NoSuchHostedZone')
    return new HoldfastError('CONFIG_INVALID', `there is no hosted zone ${zone} (${said})`, {
      ...options,
      next: 'aws route53 list-hosted-zones',
    })
  if (name === 'InvalidChangeBatch')
    return new HoldfastError('TRAFFIC_CONFLICT', `Route 53 refuses the change of ${record}; nothing was changed (${said})`, options)
  if (name === 'InvalidInput' || name === 'InvalidDomainName')
    return new HoldfastError('CONFIG_INVALID', `Route 53 cannot take the change of ${record} (${said})`, options)
  return new HoldfastError('TRAFFIC_UNCONFIRMED', `Route 53 did not carry out a call for ${record} (${said})`, {
    ...options,
    next: 'check that the Route 53 API can be reached from the worker',
  })
}
