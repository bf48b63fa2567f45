/** Errors of the S3 client, as errors of a store. */
import { HoldfastError, messageOf } from '../core/errors.ts'
import { notFound } from './problems.ts'

interface ServiceError {
  name: string
  message: string
  status: number | undefined
  network: string | undefined
}

const BUSY = new Set([408, 429, 500, 502, 503, 504])
const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO|ERR_SSL|EPROTO/
const SKEW = new Set(['RequestTimeTooSkewed', 'RequestExpired'])

/** Name, HTTP status and socket code of anything that the client threw. */
export function factsOf(error: unknown): ServiceError {
  const { name = 'Error', code, $metadata } = (error ?? {}) as { name?: string; code?: unknown; $metadata?: { httpStatusCode?: number } }
  return { name, message: messageOf(error), status: $metadata?.httpStatusCode, network: typeof code === 'string' ? code : undefined }
}

/** The error with the code that the layers above know. `key` is as the caller knows it, without the prefix. */
export function s3Problem(error: unknown, store: string, action: string, key: string): unknown {
  if (error instanceof HoldfastError) return error
  const { name, message, status, network } = factsOf(error)
  if (name === 'AbortError') return error
  const what = `${store} could not ${action} ${key}: ${status ? `${status} ` : ''}${name}${message && message !== name ? `: ${message}` : ''}`
  const options = { object: key, cause: error }
  if (SKEW.has(name))
    return new HoldfastError('STORE_DENIED', what, {
      ...options,
      next: 'set the clock of the worker: the store refuses requests signed at another time',
    })
  if (name === 'NoSuchBucket')
    return new HoldfastError('NOT_FOUND', what, { ...options, next: 'create the bucket, or correct repositories.*.bucket' })
  if (name === 'InvalidObjectState') return new HoldfastError('POINT_ARCHIVED', what, options)
  if (status === 401 || status === 403) return new HoldfastError('STORE_DENIED', what, options)
  if (status === 404) return notFound(store, key, error)
  if (status === 409 && name !== 'BucketNotEmpty') return new HoldfastError('STORE_UNREACHABLE', what, options)
  if (status === 501) return new HoldfastError('STORE_UNSUPPORTED', what, options)
  if (name === 'CredentialsProviderError')
    return new HoldfastError('STORE_DENIED', what, {
      ...options,
      next: 'set accessKeyId and secretAccessKey in holdfast.yaml, or the environment that AWS tools read',
    })
  if (network && UNTRUSTED.test(network))
    return new HoldfastError('STORE_UNREACHABLE', what, {
      ...options,
      retryable: false,
      next: 'set caFile to the authority that signed the certificate of the endpoint',
    })
  return new HoldfastError('STORE_UNREACHABLE', what, { ...options, retryable: isTransient(status) })
}

/** No answer at all, an answer that ends in the middle, or one that says "later". */
function isTransient(status: number | undefined): boolean {
  return status === undefined || status === 200 || BUSY.has(status)
}
