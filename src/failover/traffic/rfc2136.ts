/**
 * Traffic by a DNS record that is changed with a signed dynamic update (RFC 2136): bind9, Knot, PowerDNS and others.
 * Each change is compare-and-set on the server, so that a straggler of an older run cannot move the record again.
 */
import type { Rfc2136Config } from '../../config/schema.ts'
import { resolveSecret } from '../../config/secrets.ts'
import { HoldfastError } from '../../core/errors.ts'
import { authoritativeServers, confirmOn } from './authoritative.ts'
import { addressSets, typesBesideCname } from './dig.ts'
import { plainName, recordFor } from './names.ts'
import { replace, tryKey, type UpdateServer } from './nsupdate.ts'
import {
  conflict,
  describeState,
  type Destination,
  finding,
  oldAnswersUntil,
  type RecordState,
  sameState,
  secondsSince,
  type Traffic,
  type TrafficReport,
} from './traffic.ts'

const CONFIRM_MS = 30_000

interface Change {
  wanted: RecordState
  expected?: RecordState | undefined
  signal: AbortSignal
  timeoutMs?: number | undefined
}

export function createRfc2136(config: Rfc2136Config): Traffic {
  const record = plainName(config.record)
  const name = `rfc2136 ${record} on ${config.server}`
  const wantedFor = ({ address }: Destination): RecordState => {
    const { type, value } = recordFor(address)
    return { record, sets: [{ type, ttl: config.ttl, values: [value] }] }
  }
  const current: Traffic['current'] = async ({ signal }) => ({ record, sets: await addressSets(config.server, record, signal) })
  const confirm = async (
    wanted: RecordState,
    { signal, timeoutMs = CONFIRM_MS }: { signal: AbortSignal; timeoutMs?: number | undefined },
  ) => {
    const servers = config.servers
      ? [...new Set([config.server, ...config.servers])]
      : await authoritativeServers(config.server, config.zone, signal)
    return confirmOn(servers, wanted, { signal, timeoutMs, required: [config.server] })
  }
  const change = async (asked: Change): Promise<TrafficReport> => {
    const startedAt = performance.now()
    const found = await current(asked)
    const changed = sameState(found, asked.wanted) ? false : await apply(config, name, found, asked)
    const previous = asked.expected ?? found
    const confirmation = await confirm(asked.wanted, asked)
    const old = oldAnswersUntil(previous, !sameState(previous, asked.wanted))
    return { changed, previous, now: asked.wanted, ...confirmation, seconds: secondsSince(startedAt), oldAnswersUntil: old }
  }
  return {
    name,
    current,
    precheck: async ({ signal }) => [
      await finding('record is served', async () => `${record} is ${describeState(await current({ signal }))}`),
      await finding('update is allowed', async () => {
        await tryKey(await updateServer(config), signal)
        return `${config.server} accepts the key ${config.key.name}`
      }),
    ],
    move: (to, { previous, ...options }) => change({ wanted: wantedFor(to), expected: previous, ...options }),
    confirm: (to, options) => confirm(wantedFor(to), options),
    undo: (previous, options) => change({ wanted: previous, ...options }),
  }
}

/** True where this call made the change, false where another had made the same. */
async function apply(config: Rfc2136Config, name: string, found: RecordState, { wanted, expected, signal }: Change): Promise<boolean> {
  if (expected && !sameState(found, expected)) throw conflict(name, expected, found)
  await roomForCname(config.server, wanted, signal)
  const server = await updateServer(config)
  const outcome = await replace(server, found, wanted.sets, signal)
  const now: RecordState = { record: wanted.record, sets: await addressSets(config.server, wanted.record, signal) }
  if (sameState(now, wanted)) return outcome === 'applied'
  if (outcome === 'lost' || now.sets.length > 0) throw conflict(name, outcome === 'lost' ? found : wanted, now)
  // A server drops a CNAME silently where other records stand at the name: it must not be left without an address.
  await replace(server, now, found.sets, signal)
  throw new HoldfastError(
    'SOURCE_UNFIT',
    `${name}: the server accepted ${describeState(wanted)}, but has ${describeState(now)}; put back as it was`,
    {
      object: wanted.record,
      next: 'look for other records at the name: a CNAME stands alone',
    },
  )
}

async function roomForCname(server: string, { record, sets }: RecordState, signal: AbortSignal): Promise<void> {
  if (!sets.some(({ type }) => type === 'CNAME')) return
  const others = await typesBesideCname(server, record, signal)
  if (others.length === 0) return
  throw new HoldfastError('SOURCE_UNFIT', `${record} cannot become a CNAME: it has ${others.join(', ')} records too; nothing was changed`, {
    object: record,
    next: 'use an address for the site, or a record name of its own',
  })
}

async function updateServer({ server, zone, key }: Rfc2136Config): Promise<UpdateServer> {
  return { server, zone, key: { ...key, secret: await resolveSecret(key.secret) } }
}
