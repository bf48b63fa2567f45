/**
 * Traffic by a Route 53 record: one batch, then INSYNC, then the record set read back. Route 53 has no conditional
 * UPSERT: a set is compared right before it is changed; one that appears or goes, the service itself compares.
 */
import type { Route53Config } from '../../config/schema.ts'
import { confirmOn } from './authoritative.ts'
import { plainName } from './names.ts'
import { type AddressSet, changeBatch, exactSets, sameSets, toState, wantedSets } from './record-sets.ts'
import { type Route53Api, route53Api } from './route53-api.ts'
import {
  type Confirmation,
  conflict,
  describeState,
  finding,
  oldAnswersUntil,
  type RecordState,
  secondsSince,
  type Traffic,
  type TrafficReport,
} from './traffic.ts'

const CONFIRM_MS = 180_000

interface Limits {
  signal: AbortSignal
  timeoutMs?: number | undefined
}
interface Change extends Limits {
  wanted: AddressSet[]
  found: AddressSet[]
  expected?: RecordState | undefined
}

export function createRoute53(config: Route53Config): Traffic {
  const record = plainName(config.record)
  const name = `route53 ${record} in zone ${config.zone}`
  const api = route53Api(config)
  const current: Traffic['current'] = async ({ signal }) => toState(record, await api.list(signal))

  const change = async ({ wanted, found, expected, ...limits }: Change): Promise<TrafficReport> => {
    const startedAt = performance.now()
    const previous = expected ?? toState(record, found)
    const changed = !sameSets(found, wanted)
    if (changed && expected && !sameSets(found, exactSets(expected))) throw conflict(name, expected, toState(record, found))
    // What an earlier, broken off call changed has an id that nobody knows any more: the same again gives a new one.
    const changes = changed || !sameSets(exactSets(previous), wanted) ? changeBatch(found, wanted) : []
    const insync = changes.length > 0 ? await carryOut(api, changes, limits) : []
    const confirmation = await readBack(config, api, name, wanted, limits)
    const old = oldAnswersUntil(previous, !sameSets(exactSets(previous), wanted))
    const confirmedBy = [...insync, ...confirmation.confirmedBy]
    return {
      changed,
      previous,
      now: toState(record, wanted),
      confirmedBy,
      silent: confirmation.silent,
      seconds: secondsSince(startedAt),
      oldAnswersUntil: old,
    }
  }

  return {
    name,
    current,
    precheck: async ({ signal }) => [
      await finding('record can be read', async () => `${record} is ${describeState(await current({ signal }))}`),
    ],
    move: async (to, { previous, ...limits }) => {
      const found = await api.list(limits.signal)
      return change({ wanted: wantedSets(config, to, previous ? exactSets(previous) : found), found, expected: previous, ...limits })
    },
    confirm: async (to, limits) => {
      const found = await api.list(limits.signal)
      return readBack(config, api, name, wantedSets(config, to, found), limits)
    },
    undo: async (previous, { expected, ...limits }) =>
      change({ wanted: exactSets(previous), found: await api.list(limits.signal), expected, ...limits }),
  }
}

async function carryOut(
  api: Route53Api,
  changes: ReturnType<typeof changeBatch>,
  { signal, timeoutMs = CONFIRM_MS }: Limits,
): Promise<string[]> {
  const id = await api.change(changes, signal)
  await api.awaitInsync(id, { signal, timeoutMs })
  return ['route53 INSYNC']
}

async function readBack(config: Route53Config, api: Route53Api, name: string, wanted: AddressSet[], limits: Limits): Promise<Confirmation> {
  const found = await api.list(limits.signal)
  const record = plainName(config.record)
  if (!sameSets(found, wanted)) throw conflict(name, toState(record, wanted), toState(record, found))
  const asked = await askTheWorldsServers(config, api, toState(record, wanted), limits)
  return { confirmedBy: ['route53 record set', ...asked.confirmedBy], silent: asked.silent }
}

/** Only where their answer must be the set itself: not for an alias, and not for one of several sets. */
async function askTheWorldsServers(
  config: Route53Config,
  api: Route53Api,
  wanted: RecordState,
  { signal, timeoutMs = CONFIRM_MS }: Limits,
): Promise<Confirmation> {
  const plain = config.recordType !== 'ALIAS' && config.setIdentifier === undefined && !wanted.sets.some(({ ttl }) => ttl === undefined)
  // Another endpoint than AWS is an API without name servers.
  const servers = plain && !config.endpoint ? await api.publicServers(signal) : []
  return confirmOn(servers, wanted, { signal, timeoutMs, required: [] })
}
