/** The name servers that clients' resolvers ask in the end: which they are, and what they all say. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import { addressSets, values } from './dig.ts'
import { formatServer, parseServer } from './names.ts'
import { type Confirmation, describeState, type RecordState, sameState } from './traffic.ts'

/** So often in a row a server may fail to answer before it counts as one that answers nobody. */
const SILENT_AFTER = 3

/** The primary and every NS of its zone whose address can be found, as `address:port`, each once. */
export async function authoritativeServers(primary: string, zone: string, signal: AbortSignal): Promise<string[]> {
  const own = parseServer(primary)
  const ownAddress = isIP(own.host)
    ? own.host
    : await lookup(own.host).then(
        ({ address }) => address,
        () => own.host,
      )
  const addresses = new Set<string>()
  for (const name of await values(primary, zone, 'NS', signal)) {
    for (const address of await addressesOf(primary, name, signal)) addresses.add(address)
  }
  // The zone may list the primary under the port that the world uses: it is asked once, as it is configured.
  addresses.delete(ownAddress)
  return [primary, ...[...addresses].map((address) => formatServer(address, 53))]
}

/** The zone's own records first: during a disaster the system's resolver may be gone. */
async function addressesOf(primary: string, name: string, signal: AbortSignal): Promise<string[]> {
  const inZone = await values(primary, name, 'A', signal).catch(() => [])
  if (inZone.length > 0) return inZone
  return lookup(name, { all: true, family: 4 }).then(
    (found) => found.map(({ address }) => address),
    () => [],
  )
}

interface Asked {
  server: string
  state?: RecordState
  problem?: string
  failures: number
  confirmed: boolean
}

/**
 * Asks all servers until each gives the wanted answer. A server that gives no answer at all is no reason to wait, since
 * it keeps nobody on the old side (it may well have died with it), except for the `required` ones.
 */
export async function confirmOn(
  servers: string[],
  wanted: RecordState,
  { signal, timeoutMs, required }: { signal: AbortSignal; timeoutMs: number; required: string[] },
): Promise<Confirmation> {
  const asked: Asked[] = servers.map((server) => ({ server, failures: 0, confirmed: false }))
  const isSilent = (one: Asked) => !one.confirmed && one.failures >= SILENT_AFTER && !required.includes(one.server)
  const settled = async () => {
    await Promise.all(asked.filter((one) => !one.confirmed).map((one) => askOnce(one, wanted, signal)))
    return asked.every((one) => one.confirmed || isSilent(one))
  }
  try {
    await until(settled, { timeoutMs, everyMs: 200, what: `${wanted.record} on its name servers`, signal })
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'PROCESS_TIMEOUT') throw unconfirmed(asked, wanted, timeoutMs)
    throw error
  }
  const named = (those: Asked[]) => those.map(({ server }) => server)
  return { confirmedBy: named(asked.filter((one) => one.confirmed)), silent: named(asked.filter((one) => !one.confirmed)) }
}

async function askOnce(one: Asked, wanted: RecordState, signal: AbortSignal): Promise<void> {
  try {
    one.state = { record: wanted.record, sets: await addressSets(one.server, wanted.record, signal) }
    one.failures = 0
    one.confirmed = sameState(one.state, wanted)
  } catch (error) {
    if (signal.aborted) throw error
    one.failures++
    one.problem = messageOf(error)
  }
}

function unconfirmed(asked: Asked[], wanted: RecordState, timeoutMs: number): HoldfastError {
  const rest = asked
    .filter((one) => !one.confirmed)
    .map((one) =>
      one.failures === 0 && one.state
        ? `${one.server} gives ${describeState(one.state)}`
        : (one.problem ?? `${one.server} gives no answer`),
    )
  return new HoldfastError(
    'TRAFFIC_UNCONFIRMED',
    `${wanted.record} should be ${describeState(wanted)}, but after ${timeoutMs / 1000} s ${rest.join('; ')}`,
    {
      object: wanted.record,
      details: { confirmedBy: asked.filter((one) => one.confirmed).map(({ server }) => server) },
    },
  )
}
