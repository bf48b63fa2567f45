/** Whether the store's own replication is configured, and keeps up: the newest objects that should be at its destination are looked for. */
import { GetBucketReplicationCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { seconds } from '../../core/duration.ts'
import { messageOf } from '../../core/errors.ts'
import type { Preflight } from '../driver.ts'
import { type Bucket, type Origin, withBucket } from './client.ts'
import type { BucketSourceConfig } from './config.ts'
import type { Listed } from './listing.ts'
import { orGone } from './read-object.ts'

type Findings = Preflight['findings']
const SAMPLED = 20

/** The newest of those that are old enough to have been replicated. */
export function createNewest({ replication }: BucketSourceConfig) {
  const until = replication ? new Date(Date.now() - seconds(replication.within) * 1000).toISOString() : ''
  let objects: Listed[] = []
  return {
    add(one: Listed) {
      if (one.modified > until) return
      objects.push(one)
      if (objects.length > 10 * SAMPLED) objects = newestOf(objects)
    },
    get objects() {
      return newestOf(objects)
    },
  }
}

const newestOf = (objects: Listed[]): Listed[] => objects.sort((a, b) => (a.modified < b.modified ? 1 : -1)).slice(0, SAMPLED)

export async function replicationFindings(origin: Origin, bucket: Bucket, sample: Listed[], signal: AbortSignal): Promise<Findings> {
  const { replication } = origin.config
  if (!replication) return []
  const { within, ...there } = replication
  const own = Object.fromEntries(Object.entries(there).filter(([, value]) => value !== undefined))
  const destination = { ...origin, config: { ...origin.config, ...own } }
  const next = 'look at the replication of the bucket, its rules, its role and its failed objects'
  const finding = (name: string, detail: string, ok: boolean) => ({ name, ok, required: false, detail, ...(!ok && { next }) })
  const rules = await rulesTo(bucket, there.bucket, signal).catch(messageOf)
  const configured =
    typeof rules === 'string'
      ? finding('replication', `the replication of ${bucket.title} is not known: ${rules}`, false)
      : finding('replication', `${rules} enabled rules replicate ${bucket.title} to ${there.bucket}`, rules > 0)
  const late = await missing(destination, sample, signal).catch(messageOf)
  const keepsUp =
    typeof late === 'string'
      ? finding('replication keeps up', `${there.bucket} could not be asked: ${late}`, false)
      : finding('replication keeps up', describe(late, sample.length, within), late.length === 0)
  return [configured, keepsUp]
}

const describe = (late: string[], asked: number, within: string): string =>
  late.length === 0
    ? `the newest ${asked} objects that were written more than ${within} ago are there`
    : `${late.length} of ${asked} objects are not there after ${within}, as they are: ${late.slice(0, 3).join(', ')}`

async function rulesTo(bucket: Bucket, to: string, signal: AbortSignal): Promise<number> {
  const answer = await orGone(
    bucket.call('look at the replication of', bucket.name, signal, () =>
      bucket.client.send(new GetBucketReplicationCommand({ Bucket: bucket.name }), { abortSignal: signal }),
    ),
  )
  const rules = answer?.ReplicationConfiguration?.Rules ?? []
  return rules.filter(({ Status, Destination }) => Status === 'Enabled' && Destination?.Bucket?.endsWith(`:::${to}`)).length
}

/** By size: an ETag may be another one at the destination. */
function missing(destination: Origin, sample: Listed[], signal: AbortSignal): Promise<string[]> {
  return withBucket(destination, async (bucket) => {
    const late: string[] = []
    for (const { key, size } of sample) {
      const found = await orGone(
        bucket.call('look at', key, signal, () =>
          bucket.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: key }), { abortSignal: signal }),
        ),
      )
      if (found?.ContentLength !== size) late.push(key)
    }
    return late
  })
}
