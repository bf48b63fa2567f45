/** The proof that a site is a standby again: it streams, through its slot, and a row written after that arrives. */
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import { readCanary, writeCanary } from './canary.ts'
import { type Site, withSite } from './site.ts'

export interface Streaming {
  streaming: true
  slot: string
  canaryAt: string
  seconds: number
}

export interface StreamingOptions {
  timeoutMs: number
  epoch: number
}

/** Throws STANDBY_UNHEALTHY, naming what is missing, when it takes longer than `timeoutMs`. */
export async function awaitStreaming(primary: Site, standby: Site, { timeoutMs, epoch }: StreamingOptions): Promise<Streaming> {
  const began = performance.now()
  const left = () => Math.max(1_000, timeoutMs - (performance.now() - began))
  const { slot } = primary.database
  await attained(
    () => streams(primary, standby),
    left(),
    primary,
    (why) => `site ${standby.name} does not stream from ${primary.name} through slot ${slot}: ${why}`,
    standby,
  )
  const written = await writeCanary(primary, { epoch, note: `site ${standby.name} streams` })
  const arrives = async () => ((await readCanary(standby))?.at ?? '') >= written.at || 'the newest row there is older'
  await attained(
    arrives,
    left(),
    primary,
    (why) => `a row written on ${primary.name} at ${written.at} does not arrive on ${standby.name}: ${why}`,
    standby,
  )
  return { streaming: true, slot, canaryAt: written.at, seconds: (performance.now() - began) / 1000 }
}

/** Looks until the check answers true; what it says otherwise last, or throws, is the reason in the error. */
async function attained(
  check: () => Promise<true | string>,
  timeoutMs: number,
  primary: Site,
  describe: (why: string) => string,
  standby: Site,
): Promise<void> {
  let why = 'no answer yet'
  const look = async () => {
    const answer = await check().catch((error: unknown) => messageOf(error))
    if (answer !== true) why = answer
    return answer === true
  }
  await until(look, { timeoutMs, everyMs: 100, what: 'the standby', signal: primary.signal }).catch((cause: unknown) => {
    if (cause instanceof HoldfastError && cause.code === 'CANCELLED') throw cause
    throw new HoldfastError('STANDBY_UNHEALTHY', describe(why), { object: standby.name, cause })
  })
}

const SENDERS = `select s.state, exists (select from pg_replication_slots where slot_name = $2 and active_pid = s.pid) as "ours"
  from pg_stat_replication s where s.application_name = $1`

async function streams(primary: Site, standby: Site): Promise<true | string> {
  const { rows } = await withSite(primary, (client) =>
    client.query<{ state: string; ours: boolean }>(SENDERS, [standby.name, primary.database.slot]),
  )
  if (rows.some(({ state, ours }) => state === 'streaming' && ours)) return true
  return rows.map(({ state, ours }) => `${state}${ours ? '' : ', not through the slot'}`).join('; ') || 'it is not connected'
}
