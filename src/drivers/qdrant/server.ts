/**
 * One Qdrant server: its API through the client that Qdrant makes, and beside it the two ways that this client has not,
 * the download and the upload of a snapshot.
 */
import { readFile } from 'node:fs/promises'
import { QdrantClient } from '@qdrant/js-client-rest'
import { Agent } from 'undici'
import { seconds } from '../../core/duration.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { QdrantSourceConfig } from './config.ts'
import { explained } from './errors.ts'

type Api = ReturnType<QdrantClient['api']>
type Setting = keyof QdrantSourceConfig['timeouts']

export interface Server {
  /** With its port, without a key. */
  url: string
  headers: Record<string, string>
  /** PEM, where the authority is not one that everybody knows. */
  ca: Buffer | undefined
  dispatcher: Agent
  timeouts: Record<Setting, number>
  signal: AbortSignal | undefined
  /** The result of one request. `what` names it in an error. */
  ask<T>(what: string, request: (api: Api, init: RequestInit) => Promise<{ data: { result?: T } }>, options?: AskOptions): Promise<T>
}

export interface AskOptions {
  /** `request` by default. */
  timeout?: Setting
  /** Asked to its end also where the work is cancelled meanwhile: what has to be written down. */
  always?: boolean
}

export interface Place {
  url: string
  apiKey: string | undefined
}

export interface Reach {
  config: Pick<QdrantSourceConfig, 'tls' | 'timeouts'>
  secret(reference: string): Promise<string>
}

/** Runs `use` with the server; its connections are closed afterwards in any case. */
export async function withServer<T>(
  reach: Reach,
  place: Place,
  signal: AbortSignal | undefined,
  use: (server: Server) => Promise<T>,
): Promise<T> {
  const { config, secret } = reach
  const key = place.apiKey === undefined ? undefined : await secret(place.apiKey)
  const ca = config.tls.caFile === undefined ? undefined : await authority(config.tls.caFile)
  const timeouts = {
    request: seconds(config.timeouts.request) * 1000,
    snapshot: seconds(config.timeouts.snapshot) * 1000,
    idle: seconds(config.timeouts.idle) * 1000,
  }
  const dispatcher = new Agent({ ...(ca && { connect: { ca } }), headersTimeout: 0, bodyTimeout: timeouts.idle })
  // As a header and not as the client's own setting: that writes to the console where the connection is not encrypted.
  const headers: Record<string, string> = key === undefined ? {} : { 'api-key': key }
  const { url, port, prefix } = addressOf(place.url)
  const client = new QdrantClient({ url, port, prefix, headers, timeout: Number.POSITIVE_INFINITY, checkCompatibility: false })
  const api = client.api()
  const ask: Server['ask'] = async (what, request, { timeout: setting = 'request', always = false } = {}) => {
    const cancel = always ? undefined : signal
    const timeout = { signal: AbortSignal.timeout(timeouts[setting]), ms: timeouts[setting], setting }
    const asked = { url: place.url, what, signal: cancel, timeout }
    const init = { signal: cancel ? AbortSignal.any([cancel, timeout.signal]) : timeout.signal, dispatcher } as RequestInit
    try {
      cancel?.throwIfAborted()
      const { data } = await request(api, init)
      if (data?.result === undefined)
        throw new HoldfastError('SOURCE_UNFIT', `${place.url}: ${what}: the answer has no result`, { object: place.url })
      return data.result
    } catch (error) {
      throw explained(error, asked)
    }
  }
  try {
    return await use({ url: `${url}:${port}${prefix}`, headers, ca, dispatcher, timeouts, signal, ask })
  } finally {
    await dispatcher.destroy()
  }
}

/** A port that is the one of its protocol is no part of a URL any more, and the client would take 6333 then. */
function addressOf(text: string): { url: string; port: number; prefix: string } {
  const { protocol, hostname, pathname } = new URL(text)
  const port = /^https?:\/\/[^/]*:(\d+)(\/|$)/.exec(text)?.[1]
  return { url: `${protocol}//${hostname}`, port: Number(port ?? 6333), prefix: pathname.replace(/\/+$/, '') }
}

async function authority(file: string): Promise<Buffer> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new HoldfastError('SECRET_MISSING', `tls.caFile ${file} cannot be read: ${error.code}`, {
      object: file,
      next: 'make it readable for the user that the worker runs as',
    })
  })
}
