/** A connection of the driver's own, and what the server's refusals mean. Nothing of the environment's profile is used: that is for what runs Holdfast. */
import { Connection, isGrpcServiceError, type ConnectionOptions } from '@temporalio/client'
import { HoldfastError, messageOf } from '../core/errors.ts'
import type { DriverWiring } from '../drivers/driver.ts'
import type { ClusterConfig } from '../drivers/temporal/config.ts'

export interface Place {
  address: string
  namespace: string
  options(): Promise<ConnectionOptions>
}

export interface Session {
  readonly address: string
  readonly namespace: string
  /** One call or more of the API; ends within a second of the signal. */
  ask<T>(call: (connection: Connection) => Promise<T>): Promise<T>
  /** The bytes of an answer as they came: decoding drops what this release does not know. */
  askRaw(method: string, request: Uint8Array): Promise<Buffer>
}

export function placeOf({ address, namespace, tls, apiKey }: ClusterConfig, { secret }: Pick<DriverWiring, 'secret'>): Place {
  const bytes = async (reference: string | undefined) => (reference === undefined ? undefined : Buffer.from(await secret(reference)))
  return {
    address,
    namespace,
    async options() {
      const [ca, crt, key] = [await bytes(tls?.ca), await bytes(tls?.certificate), await bytes(tls?.key)]
      const own = {
        ...(tls?.serverName !== undefined && { serverNameOverride: tls.serverName }),
        ...(ca && { serverRootCACertificate: ca }),
        ...(crt && key && { clientCertPair: { crt, key } }),
      }
      return { address, ...((tls || apiKey) && { tls: own }), ...(apiKey !== undefined && { apiKey: await secret(apiKey) }) }
    },
  }
}

const CALL_MS = 60_000

export async function withTemporal<T>(place: Place, signal: AbortSignal | undefined, work: (session: Session) => Promise<T>): Promise<T> {
  if (signal?.aborted) throw cancelled(place, signal.reason)
  const connection = await open(place)
  const ask = async <R>(call: (connection: Connection) => Promise<R>): Promise<R> => {
    // The client never lets go of a signal that it was given: each call has one of its own.
    const own = new AbortController()
    const stop = () => own.abort()
    signal?.addEventListener('abort', stop, { once: true })
    try {
      if (signal?.aborted) throw cancelled(place, signal.reason)
      return await connection.withDeadline(Date.now() + CALL_MS, () => connection.withAbortSignal(own.signal, () => call(connection)))
    } catch (error) {
      throw signal?.aborted ? cancelled(place, error) : meaning(place, error)
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }
  const askRaw = (method: string, request: Uint8Array) =>
    ask(
      ({ workflowService: { rpcImpl } }) =>
        new Promise<Buffer>((resolve, reject) => {
          rpcImpl?.({ name: method } as never, request, (error, answer) => (answer ? resolve(answer as Buffer) : reject(error as Error)))
        }),
    )
  try {
    return await work({ address: place.address, namespace: place.namespace, ask, askRaw })
  } finally {
    await connection.close()
  }
}

async function open(place: Place): Promise<Connection> {
  const options = await place.options()
  try {
    return await Connection.connect({ ...options, connectTimeout: '10s' })
  } catch (cause) {
    throw meaning(place, cause)
  }
}

const cancelled = ({ address }: Place, cause: unknown): HoldfastError =>
  new HoldfastError('CANCELLED', `the work on Temporal at ${address} was cancelled`, { object: address, cause })

/** As gRPC numbers them. */
export const GRPC = { notFound: 5, alreadyExists: 6, permissionDenied: 7, unauthenticated: 16 } as const
const PASSING = [4, 8, 14]

/** The number of a refusal of the server, also inside of ours. */
export function refusalOf(error: unknown): number | undefined {
  const cause = error instanceof HoldfastError ? error.cause : error
  return isGrpcServiceError(cause) ? cause.code : undefined
}

function meaning({ address, namespace }: Place, cause: unknown): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  const code = refusalOf(cause)
  const said = isGrpcServiceError(cause) ? cause.details || cause.message : messageOf(cause)
  // A connection that does not come about has no code of its own.
  if (code === undefined || PASSING.includes(code))
    return new HoldfastError('SOURCE_UNREACHABLE', `Temporal at ${address} does not answer: ${said}`, { object: address, cause })
  const denied = code === GRPC.permissionDenied || code === GRPC.unauthenticated
  return new HoldfastError('SOURCE_UNFIT', `Temporal at ${address}, namespace ${namespace}: ${said}`, {
    object: namespace,
    ...(denied && { next: 'give the source an apiKey or a certificate that may read the namespace, and write to it for a restore' }),
    cause,
  })
}
