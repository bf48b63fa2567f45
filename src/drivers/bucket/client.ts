/**
 * The bucket by its API: every call is tried again where the store is out of reach, and its errors are those of a source. What else
 * fails meanwhile, like a repository that is written to, is no matter of the bucket.
 */
import { GetBucketAclCommand, GetBucketVersioningCommand, type S3Client } from '@aws-sdk/client-s3'
import { ERRORS, HoldfastError } from '../../core/errors.ts'
import { createS3Client } from '../../storage/s3-client.ts'
import { s3Problem } from '../../storage/s3-errors.ts'
import { type BeginTries, createTries } from '../../storage/tries.ts'
import type { DriverWiring } from '../driver.ts'
import type { BucketSourceConfig } from './config.ts'

export interface Origin {
  config: BucketSourceConfig
  wiring: Pick<DriverWiring, 'source' | 'secret'>
}

export interface Bucket {
  /** For people. */
  title: string
  name: string
  client: S3Client
  /** Tried again while the store is out of reach. */
  call<T>(what: string, key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T>
  /** The same for a stream, which tells of its own progress. */
  begin: BeginTries
  /** What a try failed with. */
  problem(error: unknown, what: string, key: string): unknown
}

/** Closes it whatever happens. */
export async function withBucket<T>({ config, wiring }: Origin, work: (bucket: Bucket) => Promise<T>): Promise<T> {
  const { endpoint, region, caFile, accessKeyId, secretAccessKey, concurrency } = config
  const credentials =
    accessKeyId && secretAccessKey
      ? { accessKeyId: await wiring.secret(accessKeyId), secretAccessKey: await wiring.secret(secretAccessKey) }
      : undefined
  const client = createS3Client({
    bucket: config.bucket,
    region,
    prefix: '',
    uploads: concurrency,
    ...(endpoint !== undefined && { endpoint }),
    ...(caFile !== undefined && { caFile }),
    ...(credentials && { credentials }),
  })
  try {
    return await work(bucketOf(config, client))
  } finally {
    client.destroy()
  }
}

function bucketOf({ bucket: name, endpoint }: BucketSourceConfig, client: S3Client): Bucket {
  const title = endpoint ? `the bucket ${name} at ${endpoint}` : `the bucket ${name}`
  const begin: BeginTries = (...what) => {
    const tries = createTries(title)(...what)
    return {
      ...tries,
      failed: (error) =>
        tries.failed(error).catch((last: unknown) => {
          throw ofSource(last, name)
        }),
    }
  }
  const problem = (error: unknown, what: string, key: string) => s3Problem(error, title, what, key)
  return {
    title,
    name,
    client,
    begin,
    problem,
    async call(what, key, signal, work) {
      for (const tries = begin(`${what} ${key}`, signal); ; ) {
        try {
          return await work()
        } catch (error) {
          await tries.failed(problem(error, what, key))
        }
      }
    },
  }
}

const CODES: Record<string, HoldfastError['code']> = {
  STORE_UNREACHABLE: 'SOURCE_UNREACHABLE',
  STORE_DENIED: 'SOURCE_UNFIT',
  STORE_UNSUPPORTED: 'SOURCE_UNFIT',
}

/** Whether the one may ask its store to copy from the other: by the same keys, at the same endpoint; AWS is one in all regions. */
export function sameStore({ config: one }: Origin, { config: other }: Origin): boolean {
  return one.endpoint === other.endpoint && one.accessKeyId === other.accessKeyId && one.secretAccessKey === other.secretAccessKey
}

const NO_BUCKET = 'create the bucket, or correct its name'
/** No object is missing there, but all of it. */
export const isNoBucket = ({ code, cause }: HoldfastError): boolean =>
  code === 'NOT_FOUND' && (cause as Error | undefined)?.name === 'NoSuchBucket'

/** The store does not know what was asked. */
export const isUnsupported = (error: unknown): boolean => error instanceof HoldfastError && codeOf(error.cause) === 'STORE_UNSUPPORTED'
const codeOf = (error: unknown) => (error instanceof HoldfastError ? error.code : undefined)

/** What the layers below say of a repository's store, said of a source. */
function ofSource(error: unknown, bucket: string): unknown {
  if (!(error instanceof HoldfastError)) return error
  const { code, message, cause, retryable } = error
  if (isNoBucket(error)) return new HoldfastError(code, message, { object: bucket, cause, next: NO_BUCKET })
  const ours = CODES[code]
  if (!ours) return error
  const generic = ours === 'SOURCE_UNFIT' ? 'give its keys the rights that the README of the driver names' : ERRORS[ours].next
  const next = error.next === ERRORS[code].next ? generic : error.next
  return new HoldfastError(ours, message, { object: bucket, cause: error, retryable, next })
}

/** The place and who owns it: what is in it, and when it was made, are no part of its name. What is lost can still be restored elsewhere. */
export async function fingerprintOf({ config }: Origin, bucket: Bucket, below = ''): Promise<string> {
  const acl = await bucket
    .call('look at the owner of', bucket.name, undefined, () => bucket.client.send(new GetBucketAclCommand({ Bucket: bucket.name })))
    .catch((error: unknown) => {
      if (error instanceof HoldfastError && error.code === 'NOT_FOUND') return { Owner: { ID: 'absent' } }
      throw error
    })
  const host = config.endpoint ? new URL(config.endpoint).host : config.region
  return `s3://${host}/${bucket.name}/${below}${config.prefix}#${acl.Owner?.ID ?? 'unknown'}`
}

/** Undefined where it was never switched on. */
export async function versioningOf({ call, client, name }: Bucket, signal?: AbortSignal): Promise<'Enabled' | 'Suspended' | undefined> {
  const ask = () => client.send(new GetBucketVersioningCommand({ Bucket: name }), { abortSignal: signal })
  return (await call('look at the versioning of', name, signal, ask)).Status
}
