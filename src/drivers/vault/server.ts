/** One Vault or OpenBao: questions to its API, and snapshots from and to it as streams. */
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { Agent, request } from 'undici'
import { seconds } from '../../core/duration.ts'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { VaultSourceConfig } from './config.ts'

export interface Work {
  config: VaultSourceConfig
  /** The name of the source. */
  source: string
  secret(reference: string): Promise<string>
}

export interface Place {
  url: string
  /** A secret reference. */
  token: string
  caFile: string | undefined
  namespace?: string | undefined
}

export interface Reply {
  status: number
  body: Record<string, unknown>
}

export interface Vault {
  url: string
  signal: AbortSignal | undefined
  /** A status that is neither good nor among `accept` throws. */
  ask(method: 'GET' | 'PUT' | 'POST', path: string, options?: { body?: object; accept?: readonly number[] }): Promise<Reply>
  /** What it answers, chunk by chunk; a connection that breaks off throws. */
  download(path: string): Promise<Readable>
  upload(path: string, file: string): Promise<void>
}

export const sourcePlace = ({ config }: Pick<Work, 'config'>): Place => ({
  url: config.url,
  token: config.token,
  caFile: config.tls.caFile,
  namespace: config.namespace,
})

interface Sending {
  method?: 'GET' | 'PUT' | 'POST'
  headers?: Record<string, string>
  body?: string | Readable
}

/** Runs `use` with the server; its connections are closed afterwards in any case. */
export async function withVault<T>(
  work: Work,
  place: Place,
  signal: AbortSignal | undefined,
  use: (vault: Vault) => Promise<T>,
): Promise<T> {
  const { config, secret } = work
  const ca = place.caFile === undefined ? undefined : await authority(place.caFile)
  const times = { request: seconds(config.timeouts.request) * 1000, snapshot: seconds(config.timeouts.snapshot) * 1000 }
  const short = new Agent({ ...(ca && { connect: { ca } }), headersTimeout: times.request, bodyTimeout: times.request })
  const long = new Agent({ ...(ca && { connect: { ca } }), headersTimeout: times.snapshot, bodyTimeout: times.snapshot })
  const token = { 'x-vault-token': await secret(place.token), 'x-vault-request': 'true' }
  const namespace: Record<string, string> = place.namespace === undefined ? {} : { 'x-vault-namespace': place.namespace }
  // A snapshot is of all namespaces, and only the root has it.
  const headersFor = (dispatcher: Agent) => ({ ...token, ...(dispatcher === short && namespace) })
  const send = async (dispatcher: Agent, path: string, options: Sending) => {
    try {
      signal?.throwIfAborted()
      return await request(`${place.url}/v1/${path}`, {
        method: 'GET',
        ...options,
        headers: { ...headersFor(dispatcher), ...options.headers },
        dispatcher,
        ...(signal && { signal }),
      })
    } catch (error) {
      throw explained(error, place.url, path, signal)
    }
  }
  const vault: Vault = {
    url: place.url,
    signal,
    async ask(method, path, { body, accept = [] } = {}) {
      const reply = await send(short, path, {
        method,
        ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      })
      const text = await reply.body.text().catch((error: unknown) => {
        throw explained(error, place.url, path, signal)
      })
      if (reply.statusCode >= 300 && !accept.includes(reply.statusCode)) throw refusal(place.url, path, reply.statusCode, text)
      return { status: reply.statusCode, body: parsed(text) }
    },
    async download(path) {
      const reply = await send(long, path, {})
      if (reply.statusCode !== 200) throw refusal(place.url, path, reply.statusCode, await reply.body.text())
      return reply.body
    },
    async upload(path, file) {
      const { size } = await stat(file)
      const body = createReadStream(file)
      try {
        const reply = await send(long, path, {
          method: 'POST',
          body,
          headers: { 'content-length': String(size), 'content-type': 'application/gzip' },
        })
        const text = await reply.body.text()
        if (reply.statusCode >= 300) throw refusal(place.url, path, reply.statusCode, text)
      } finally {
        body.destroy()
      }
    },
  }
  try {
    return await use(vault)
  } finally {
    await Promise.all([short.destroy(), long.destroy()])
  }
}

async function authority(file: string): Promise<Buffer> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new HoldfastError('SECRET_MISSING', `tls.caFile ${file} cannot be read: ${error.code}`, {
      object: file,
      next: 'make it readable for the user that the worker runs as',
    })
  })
}

function parsed(text: string): Reply['body'] {
  try {
    return JSON.parse(text || '{}') as Reply['body']
  } catch {
    return {}
  }
}

const DAMAGED = /unexpected EOF|hash check failed|failed to decompress|failed to read or write snapshot/i

export const isStatus = (error: unknown, ...status: number[]): boolean =>
  error instanceof HoldfastError && status.includes(Number(error.details['status']))

function refusal(url: string, path: string, status: number, text: string): HoldfastError {
  const { errors } = parsed(text) as { errors?: string[] }
  const said = (errors ?? [text]).join('; ').trim().slice(0, 500) || `status ${status}`
  const about = { object: url, details: { status } }
  const message = `${url}: ${path}: ${said}`
  if (status === 403)
    return new HoldfastError('SOURCE_UNFIT', message, {
      ...about,
      next: 'give the token a policy that allows it: README.md of src/drivers/vault has one',
    })
  if (status === 503 && /sealed/i.test(said)) return new HoldfastError('SOURCE_UNFIT', message, { ...about, next: 'unseal it' })
  if (status >= 300 && status < 400)
    return new HoldfastError('SOURCE_UNFIT', `${url} is a standby: ${path}`, { ...about, next: 'write the address of the active node' })
  if (DAMAGED.test(said)) return new HoldfastError('INTEGRITY', `${url} finds the snapshot damaged: ${said}`, about)
  if (status === 404) return new HoldfastError('NOT_FOUND', message, about)
  if (status === 429 || status >= 500) return new HoldfastError('SOURCE_UNREACHABLE', message, about)
  return new HoldfastError('SOURCE_UNFIT', message, { ...about, next: 'read what the server says; its log has more' })
}

export function explained(error: unknown, url: string, path: string, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return new HoldfastError('CANCELLED', `${path} on ${url} was cancelled`, { object: url, cause: error })
  if (error instanceof HoldfastError) return error
  return new HoldfastError('SOURCE_UNREACHABLE', `cannot talk to ${url}: ${path}: ${messageOf(error)}`, {
    object: url,
    cause: error,
    next: 'check that the server runs and can be reached from this worker',
  })
}
