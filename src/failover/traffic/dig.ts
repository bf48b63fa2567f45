/** Asks one name server, by dig: it shows TTLs and the server's own verdict, which Node's resolver hides. */
import { HoldfastError } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import { absolute, parseServer, plainName } from './names.ts'
import type { RecordSet } from './traffic.ts'

const ADDRESS_TYPES = ['A', 'AAAA'] as const
/** dig's exit code when no server could be reached. */
const NO_REPLY = 9

interface Answer {
  owner: string
  ttl: number
  type: string
  value: string
}

/**
 * The sets at the name that decide where clients go, as this server has them: A, AAAA or CNAME. Throws
 * TRAFFIC_UNCONFIRMED where it gives no answer or no good one.
 */
export async function addressSets(server: string, name: string, signal: AbortSignal): Promise<RecordSet[]> {
  const answers = await ask(server, name, ADDRESS_TYPES, signal)
  const own = answers.filter(({ owner, type }) => owner === plainName(name) && ['A', 'AAAA', 'CNAME'].includes(type))
  return ['A', 'AAAA', 'CNAME'].flatMap((type) => {
    const these = own.filter((answer) => answer.type === type)
    const [first] = these
    // An alias of names is in the answers to both questions.
    return first ? [{ type, ttl: first.ttl, values: [...new Set(these.map(({ value }) => value))].sort() }] : []
  })
}

/** The values of one type at the name, without its TTL. */
export async function values(server: string, name: string, type: string, signal: AbortSignal): Promise<string[]> {
  const answers = await ask(server, name, [type], signal)
  return answers.filter((answer) => answer.type === type).map(({ value }) => value)
}

/** Types at the name beside which no CNAME can stand, as far as the server shows them: some answer ANY with less. */
export async function typesBesideCname(server: string, name: string, signal: AbortSignal): Promise<string[]> {
  const answers = await ask(server, name, ['ANY'], signal)
  const own = answers.filter(({ owner }) => owner === plainName(name)).map(({ type }) => type)
  return [...new Set(own)].filter((type) => !['A', 'AAAA', 'CNAME', 'RRSIG', 'NSEC', 'HINFO'].includes(type))
}

async function ask(server: string, name: string, types: readonly string[], signal: AbortSignal): Promise<Answer[]> {
  const { host, port } = parseServer(server)
  const questions = types.flatMap((type) => [absolute(name), type])
  // -r: the user's own .digrc does not count. No recursion: what the server itself has, not what it could find out.
  const args = ['-r', `@${host}`, '-p', String(port), '+time=2', '+tries=2', '+norecurse', '+noall', '+comments', '+answer', ...questions]
  const { stdout, exitCode } = await run({ program: 'dig', args }, { signal, timeoutMs: 20_000, accept: [0, NO_REPLY] })
  const verdicts = [...stdout.matchAll(/status: ([A-Z]+)/g)].map(([, status]) => status)
  const refused = verdicts.find((verdict) => verdict !== 'NOERROR' && verdict !== 'NXDOMAIN')
  if (refused || exitCode !== 0 || verdicts.length < types.length) {
    throw new HoldfastError(
      'TRAFFIC_UNCONFIRMED',
      `the name server ${server} ${refused ? `answers ${refused}` : 'gives no answer'} for ${name}`,
      {
        object: server,
        next: `dig @${host} -p ${port} ${name}`,
      },
    )
  }
  return stdout.split('\n').flatMap(parseLine)
}

function parseLine(line: string): Answer[] {
  const found = /^([^;\s]\S*)\s+(\d+)\s+IN\s+([A-Z]+)\s+(.+)$/.exec(line.trim())
  const [, owner = '', ttl = '', type = '', value = ''] = found ?? []
  return found
    ? [{ owner: plainName(owner), ttl: Number(ttl), type, value: type === 'CNAME' || type === 'NS' ? value.toLowerCase() : value }]
    : []
}
