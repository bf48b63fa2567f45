/** One dynamic update (RFC 2136), by nsupdate: all of it happens, and only if the name is as expected, or nothing does. */
import { HoldfastError } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import { absolute, parseServer } from './names.ts'
import type { RecordSet, RecordState } from './traffic.ts'

export interface UpdateServer {
  server: string
  zone: string
  key: { name: string; algorithm: string; secret: string }
}

const TYPES = ['A', 'AAAA', 'CNAME']

/** Replaces the sets, if they are `from`. `lost` where the name was something else by then: nothing was changed. */
export async function replace(target: UpdateServer, from: RecordState, to: RecordSet[], signal: AbortSignal): Promise<'applied' | 'lost'> {
  const name = absolute(from.record)
  return send(target, from.record, signal, [
    ...TYPES.flatMap((type) => prerequisites(name, type, from.sets)),
    ...from.sets.map(({ type }) => `update delete ${name} ${type}`),
    ...to.flatMap(({ type, ttl, values }) => values.map((value) => `update add ${name} ${ttl ?? 0} ${type} ${value}`)),
  ])
}

/** Whether the server takes updates with this key: one that has a condition, and changes nothing. Throws where it does not. */
export async function tryKey(target: UpdateServer, signal: AbortSignal): Promise<void> {
  await send(target, target.zone, signal, [`prereq yxdomain ${absolute(target.zone)}`])
}

// All values of a set in one condition: it holds only for exactly these.
function prerequisites(name: string, type: string, sets: RecordSet[]): string[] {
  const set = sets.find((one) => one.type === type)
  return set ? set.values.map((value) => `prereq yxrrset ${name} ${type} ${value}`) : [`prereq nxrrset ${name} ${type}`]
}

async function send(target: UpdateServer, record: string, signal: AbortSignal, lines: string[]): Promise<'applied' | 'lost'> {
  const { host, port } = parseServer(target.server)
  const { name, algorithm, secret } = checkedKey(target.key)
  // The key goes in by stdin: arguments and key files could be read by others.
  const key = `key ${algorithm}:${absolute(name)} ${secret}`
  const change = [`server ${host} ${port}`, `zone ${absolute(target.zone)}`, ...lines]
  for (const line of change)
    if (/[\n\r;"]/.test(line)) throw new HoldfastError('CONFIG_INVALID', `"${line}" cannot stand in a DNS update`, { object: record })
  // By TCP: a lost packet is sent again by the kernel, not as a second update.
  const { exitCode, stderr } = await run(
    { program: 'nsupdate', args: ['-v', '-t', '10'], stdin: [key, ...change, 'send', 'quit', ''].join('\n') },
    { signal, timeoutMs: 30_000, accept: [0, 1, 2] },
  )
  if (exitCode === 0) return 'applied'
  const said = stderr.replaceAll(secret, '***').trim().split('\n').slice(-3).join('; ')
  if (/[NY]XRRSET|[NY]XDOMAIN/.test(said)) return 'lost'
  throw refusal(said, target, record)
}

/** A malformed key is refused here: nsupdate would repeat it in its message. */
function checkedKey(key: UpdateServer['key']): UpdateServer['key'] {
  const problem = (what: string) => new HoldfastError('CONFIG_INVALID', `the DNS update key ${what}`, { object: 'traffic.key' })
  if (!/^[\w.-]+$/.test(key.name)) throw problem(`"${key.name}" has a name that no key can have`)
  if (!/^hmac-[a-z0-9-]+$/.test(key.algorithm)) throw problem(`${key.name} has the unknown algorithm "${key.algorithm}"; use hmac-sha256`)
  const secret = key.secret.trim()
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(secret) || secret.length % 4 !== 0)
    throw problem(`${key.name} is not base64; copy the secret as tsig-keygen printed it`)
  return { ...key, secret }
}

function refusal(said: string, { server, zone, key }: UpdateServer, record: string): HoldfastError {
  const at = `the name server ${server}`
  if (/BADTIME/.test(said))
    return new HoldfastError('TRAFFIC_DENIED', `${at} has another time than this machine (${said})`, {
      object: record,
      next: 'set both clocks right: updates are signed with the time',
    })
  if (/BADKEY|BADSIG|BADTRUNC|TSIG error/.test(said)) {
    return new HoldfastError('TRAFFIC_DENIED', `${at} does not know the key ${key.name}, or it is another one there (${said})`, {
      object: record,
      next: `compare name, algorithm and secret of the key ${key.name} with those on ${server}`,
    })
  }
  if (/REFUSED/.test(said))
    return new HoldfastError('TRAFFIC_DENIED', `${at} does not let the key ${key.name} change ${record} (${said})`, {
      object: record,
      next: `allow it there: allow-update or update-policy of the zone ${zone}`,
    })
  if (/NOTAUTH/.test(said))
    return new HoldfastError('CONFIG_INVALID', `${at} is not the primary of the zone ${zone} (${said})`, {
      object: record,
      next: `set server to the primary name server of ${zone}`,
    })
  if (/NOTZONE/.test(said)) return new HoldfastError('CONFIG_INVALID', `${record} is not in the zone ${zone} (${said})`, { object: record })
  return new HoldfastError('TRAFFIC_UNCONFIRMED', `${at} did not answer the update of ${record}: ${said}`, {
    object: record,
    next: `check that ${server} runs and can be reached by TCP`,
  })
}
