/** What a source of this driver is configured with. */
import { z } from 'zod'
import { assertionName, everySource, schedulesOf, verifyWith } from '../../config/schema/every-source.ts'
import { retention, usualRetention } from '../../config/schema/retention.ts'
import { awsKey, duration, secret, size } from '../../config/schema/values.ts'

const ofObject = z.strictObject({
  name: assertionName,
  key: z.string().describe('of an object that has to be there'),
  bytes: z.int().nonnegative().optional().describe('its size'),
  text: z.string().optional().describe('all of its content'),
})
const ofPrefix = z.strictObject({
  name: assertionName,
  prefix: z.string().describe('of keys'),
  atLeast: z.int().nonnegative().describe('so many objects have keys that begin with it'),
})

const replication = z.strictObject({
  within: duration.default('15m').describe('what was written longer ago has to be at the destination'),
  bucket: z.string().min(3).describe('where the store replicates to'),
  region: z.string().optional().describe('of the destination; that of the source by default, as for the next four'),
  endpoint: z.url().optional(),
  caFile: z.string().optional(),
  accessKeyId: secret.optional(),
  secretAccessKey: secret.optional(),
})

const copyTo = z.strictObject({
  bucket: z.string().min(3).describe('with versioning on, and not the one of the source'),
  prefix: z.string().default('').describe('before every key there, like shop/'),
  region: z.string().optional().describe('of that bucket; that of the source by default, as for the next four'),
  endpoint: z
    .url()
    .optional()
    .describe('one store with the source, by the same keys, copies by itself; from another one objects are streamed'),
  caFile: z.string().optional(),
  accessKeyId: secret.optional(),
  secretAccessKey: secret.optional(),
})

export const bucketSource = z.strictObject({
  driver: z.literal('bucket'),
  ...everySource,
  schedules: schedulesOf('scheduled', 'incremental'),
  verify: verifyWith(z.union([ofObject, ofPrefix])),
  retention: retention.prefault(usualRetention('bucket')),
  bucket: z.string().min(3).describe('its name'),
  region: z.string().default('us-east-1').describe('of the bucket'),
  endpoint: z.url().optional().describe('of a store that is not AWS, like https://s3.example:9000'),
  caFile: z.string().optional().describe('the authority that signed the certificate of the endpoint'),
  accessKeyId: awsKey,
  secretAccessKey: awsKey,
  prefix: z.string().default('').describe('only keys that begin with it'),
  include: z.array(z.string()).default([]).describe('keys, prefixes that end in "/", or globs; without one, all keys'),
  exclude: z.array(z.string()).default([]).describe('in the same way; they win'),
  tags: z.boolean().default(true).describe('asks for the tags of every object at every point: one more request for each'),
  etags: z
    .enum(['md5', 'opaque'])
    .default('md5')
    .describe('md5: an ETag of 32 hexadecimal digits is the MD5 of what was read; opaque: the store means something else by it'),
  replication: replication.optional().describe("a check of the store's own replication, before every backup"),
  copyTo: copyTo.optional().describe('objects are copied into this bucket, and a point names their versions there instead of having packs'),
  packSize: size.default('256MB').describe('objects are stored together up to so many bytes; a larger one by itself'),
  partSize: size.default('16MB').describe('a restore writes larger objects in parts of this size'),
  copyPartSize: size.default('512MB').describe('what the store itself copies it copies in parts of this size where it is larger'),
  concurrency: z.int().min(1).max(64).default(8).describe('requests for small objects at once'),
})
export type BucketSourceConfig = z.infer<typeof bucketSource>
