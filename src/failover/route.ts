/** What clients get: the address behind a name, asked of one DNS server at the moment it is needed. */
import { lookup, Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { formatServer, parseServer, plainName } from './traffic/names.ts'

export interface RouteOptions {
  /** For the server's answer, each time it is asked. */
  timeoutMs?: number
}

/** More aliases than this are a loop. */
const MAX_ALIASES = 8

/**
 * The IPv4 address of the record as this server (`address:port`) gives it, through aliases; one that leads out of its
 * zones is looked up by the system. Nothing is cached. Throws NOT_FOUND where there is none, TRAFFIC_UNCONFIRMED where
 * the server gives no answer.
 */
export async function currentAddress(record: string, server: string, options: RouteOptions = {}): Promise<string> {
  const resolver = await resolverFor(server, options)
  let name = plainName(record)
  for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
    const [address] = await answer(resolver.resolve4(name), name, server)
    if (address) return address
    const [alias] = await answer(resolver.resolveCname(name), name, server)
    if (!alias) break
    name = plainName(alias)
  }
  const outside = name === plainName(record) ? undefined : await lookup(name, 4).catch(() => undefined)
  if (outside) return outside.address
  throw new HoldfastError('NOT_FOUND', `${server} has no address for ${record}`, {
    object: record,
    next: `look at the record on ${server}`,
  })
}

async function resolverFor(server: string, { timeoutMs = 2_000 }: RouteOptions): Promise<Resolver> {
  const { host, port } = parseServer(server)
  const address = isIP(host) ? host : (await lookup(host)).address
  // A new one each time: a resolver that is kept may remember.
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1 })
  resolver.setServers([formatServer(address, port)])
  return resolver
}

/** No such name, nothing of this type, and a name of a zone that the server does not hold are all answers. */
async function answer(question: Promise<string[]>, name: string, server: string): Promise<string[]> {
  try {
    return await question
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (['ENODATA', 'ENOTFOUND', 'EREFUSED'].includes(code)) return []
    throw new HoldfastError('TRAFFIC_UNCONFIRMED', `the name server ${server} gives no answer for ${name}: ${messageOf(error)}`, {
      object: server,
      cause: error,
    })
  }
}
