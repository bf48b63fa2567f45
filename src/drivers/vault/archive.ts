/** A raft snapshot read while it passes: its members, whose SHA-256 have to be those that the server wrote beside them. */
import { createHash, type Hash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createGunzip, type Gunzip } from 'node:zlib'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { passTar } from '../files/tar-reader.ts'

export interface SnapshotFacts {
  index: number
  term: number
  /** Addresses of the nodes, for the cluster's own talk. */
  servers: string
  'state bytes': number
  /** Equal for an unchanged server, while archives differ. */
  sums: string
  'meta.json': string
  'state.bin': string
  [name: string]: string | number
}

/** Gives the bytes on as they come; `found` is told at their end. Throws INTEGRITY there where it is no whole snapshot. */
export async function* checked(stream: AsyncIterable<Buffer>, found: (facts: SnapshotFacts) => void): AsyncGenerator<Buffer> {
  const gunzip = createGunzip()
  const reading = readMembers(gunzip)
  // Heard below, also where the other side fails first.
  reading.catch(() => {})
  try {
    for await (const chunk of stream) {
      if (!gunzip.write(chunk)) await Promise.race([once(gunzip, 'drain'), reading])
      yield chunk
    }
    gunzip.end()
    found(await reading)
  } finally {
    gunzip.destroy()
  }
}

/** Of a file that is whole. */
export async function factsOfFile(file: string): Promise<SnapshotFacts> {
  let facts: SnapshotFacts | undefined
  const passing = checked(createReadStream(file) as AsyncIterable<Buffer>, (found) => {
    facts = found
  })
  for await (const chunk of passing) void chunk
  if (!facts) throw damaged('it ends too early')
  return facts
}

interface Member {
  hash: Hash
  bytes: number
  /** Of the small ones. */
  text: Buffer[]
}

const TEXTS = ['meta.json', 'SHA256SUMS']
const TEXT_BYTES = 1024 * 1024

async function readMembers(gunzip: Gunzip): Promise<SnapshotFacts> {
  const members = new Map<string, Member>()
  let current: { name: string; member: Member } | undefined
  const visitor = {
    begin({ path }: { path: string }) {
      current = { name: path, member: { hash: createHash('sha256'), bytes: 0, text: [] } }
      return 'drop' as const
    },
    content(bytes: Buffer) {
      if (!current) return
      const { name, member } = current
      member.hash.update(bytes)
      member.bytes += bytes.length
      if (!TEXTS.includes(name)) return
      if (member.bytes > TEXT_BYTES) throw damaged(`${name} is too large to be what it says`)
      member.text.push(bytes)
    },
    end() {
      if (current) members.set(current.name, current.member)
      return undefined
    },
  }
  try {
    for await (const chunk of passTar(gunzip as AsyncIterable<Buffer>, visitor)) void chunk
  } catch (error) {
    throw error instanceof HoldfastError ? error : damaged(messageOf(error))
  }
  return compared(members)
}

function compared(members: ReadonlyMap<string, Member>): SnapshotFacts {
  const text = (name: string) => Buffer.concat(members.get(name)?.text ?? []).toString('utf8')
  const digests = new Map([...members].map(([name, { hash }]) => [name, hash.digest('hex')]))
  const sums = new Map(
    text('SHA256SUMS')
      .split('\n')
      .flatMap((line) => {
        const [, sum, name] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? []
        return sum === undefined || name === undefined ? [] : [[name, sum] as const]
      }),
  )
  for (const name of ['meta.json', 'state.bin']) {
    if (!members.get(name)?.bytes) throw damaged(`there is no ${name} in it`)
    if (!sums.has(name)) throw damaged(`its SHA256SUMS does not name ${name}`)
  }
  for (const [name, sum] of sums) if (digests.get(name) !== sum) throw damaged(`${name} has not the SHA-256 that its SHA256SUMS says`)
  const meta = metaIn(text('meta.json'))
  const of = (name: string) => digests.get(name) ?? ''
  return {
    ...meta,
    'state bytes': members.get('state.bin')?.bytes ?? 0,
    sums: of('SHA256SUMS'),
    'meta.json': of('meta.json'),
    'state.bin': of('state.bin'),
  }
}

function metaIn(text: string): Pick<SnapshotFacts, 'index' | 'term' | 'servers'> {
  let meta: { Index?: number; Term?: number; Configuration?: { Servers?: { Address: string }[] } }
  try {
    meta = JSON.parse(text) as typeof meta
  } catch {
    throw damaged('its meta.json cannot be read')
  }
  if (typeof meta.Index !== 'number' || typeof meta.Term !== 'number') throw damaged('its meta.json has no index and term')
  const servers = (meta.Configuration?.Servers ?? []).map(({ Address }) => Address)
  return { index: meta.Index, term: meta.Term, servers: servers.sort().join(' ') }
}

const damaged = (why: string) => new HoldfastError('INTEGRITY', `this is no whole raft snapshot: ${why}`, { object: 'snapshot' })
