/** The one way in to Temporal, for callers and workers alike: environment profile, address, a clear error. */
import { existsSync } from 'node:fs'
import { Client, Connection, isGrpcServiceError } from '@temporalio/client'
import { NamespaceNotFoundError } from '@temporalio/common'
import { type ClientConnectConfig, loadClientConnectConfig } from '@temporalio/envconfig'
import { HoldfastError, messageOf } from '../core/errors.ts'

export interface TemporalPlace {
  address: string
  namespace: string
}

/** Throws TEMPORAL_UNREACHABLE. The caller closes `client.connection`. */
export async function connectClient({ address, namespace }: TemporalPlace): Promise<Client> {
  const settings = connectionSettings(address)
  try {
    const connection = await Connection.connect({ ...settings, connectTimeout: '10s' })
    return new Client({ connection, namespace })
  } catch (cause) {
    throw unreachable(address, cause)
  }
}

export function unreachable(address: string, cause: unknown): HoldfastError {
  return new HoldfastError('TEMPORAL_UNREACHABLE', `Temporal at ${address} does not answer: ${messageOf(cause)}`, {
    object: address,
    next: `check temporal.address in holdfast.yaml and that ${address} can be reached; for a look around: holdfast dev`,
    cause,
  })
}

/** As gRPC numbers it. */
const NOT_FOUND = 5

/** What Temporal says of a namespace that it does not have, as ours; undefined for every other error. */
export function missingNamespace(error: unknown): HoldfastError | undefined {
  const name = error instanceof NamespaceNotFoundError ? error.namespace : namespaceIn(error)
  if (name === undefined) return undefined
  return new HoldfastError('CONFIG_INVALID', `Temporal has no namespace "${name}", which temporal.namespace of the configuration names`, {
    object: 'temporal.namespace',
    next: `correct temporal.namespace, or make it: temporal operator namespace create --namespace ${name}`,
    cause: error,
  })
}

function namespaceIn(error: unknown): string | undefined {
  if (isGrpcServiceError(error)) return error.code === NOT_FOUND ? /^Namespace (\S+) is not found/.exec(error.details)?.[1] : undefined
  // A worker has it in its own words, in which alone stands that the server said so.
  return /^Namespace (\S+) was not found .*code: NotFound/.exec(messageOf(error))?.[1]
}

/**
 * Options for `Connection.connect` and `NativeConnection.connect`: TLS, API key and metadata come from the environment
 * profile (TEMPORAL_* variables, TEMPORAL_CONFIG_FILE). A profile that names another address keeps its credentials to
 * itself: they are not for this server.
 */
export function connectionSettings(address: string): ClientConnectConfig['connectionOptions'] {
  const { connectionOptions } = profile()
  const foreign = connectionOptions.address !== undefined && connectionOptions.address !== address
  return foreign ? { address } : { ...connectionOptions, address }
}

function profile(): ClientConnectConfig {
  const file = process.env.TEMPORAL_CONFIG_FILE
  // The library passes over a file that is not there, and would connect without TLS.
  if (file && !existsSync(file)) throw wrongProfile(`TEMPORAL_CONFIG_FILE names ${file}, which does not exist`, file)
  try {
    return loadClientConnectConfig()
  } catch (error) {
    throw wrongProfile(`the Temporal environment profile cannot be read: ${messageOf(error)}`, file, error)
  }
}

function wrongProfile(message: string, object: string | undefined, cause?: unknown): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', message, {
    object,
    next: 'correct or unset TEMPORAL_CONFIG_FILE and the TEMPORAL_* variables',
    cause,
  })
}
