/** Where recovery points are kept. */
import { z } from 'zod'
import { bytesOf } from '../../core/duration.ts'
import { bandwidthSchema, captures } from './limits.ts'
import { thaw, transitions } from './transitions.ts'
import { awsKey, secret, size } from './values.ts'

const limit = z
  .strictObject({
    warn: size.optional().describe('with more bytes of points than this, status and every backup are degraded'),
    cap: size.optional().describe('a backup that would go beyond it is refused; nothing is ever deleted for room'),
  })
  .refine(({ warn, cap }) => warn === undefined || cap === undefined || bytesOf(warn) < bytesOf(cap), 'warn must be less than cap')
  .optional()

const s3Repository = z.strictObject({
  type: z.literal('s3'),
  bucket: z.string().describe('must be there already'),
  region: z.string().default('us-east-1'),
  endpoint: z.url().optional().describe('for stores other than AWS'),
  prefix: z.string().default('').describe('put before every key'),
  caFile: z.string().optional().describe('PEM of the authority that signed the endpoint certificate'),
  accessKeyId: awsKey,
  secretAccessKey: secret.optional(),
  storageClass: z.string().optional().describe('of artifacts, like STANDARD_IA'),
  transitions,
  thaw,
  uploads: z.number().int().min(1).max(16).default(4).describe('parts in flight at once'),
  limit,
  bandwidth: bandwidthSchema.optional(),
  captures,
})
const folderRepository = z.strictObject({
  type: z.literal('folder'),
  path: z.string().describe('a folder that every worker sees'),
  limit,
  bandwidth: bandwidthSchema.optional(),
  captures,
})
const sshRepository = z.strictObject({
  type: z.literal('ssh'),
  host: z.string().describe('a Linux host with GNU coreutils and findutils, as ssh knows it; its key must be known already'),
  port: z.number().int().optional(),
  user: z.string().optional().describe('as whom; what ssh_config says by default'),
  path: z.string().regex(/^\//, 'an absolute path').describe('a folder on that host, which must be there already'),
  identityFile: z.string().optional().describe('private key without a passphrase; what ssh finds by default'),
  knownHostsFile: z.string().optional().describe('where the key of the host stands; what ssh finds by default'),
  limit,
  bandwidth: bandwidthSchema.optional(),
  captures,
})

export const repositorySchema = z.discriminatedUnion('type', [s3Repository, folderRepository, sshRepository])
export type RepositoryConfig = z.infer<typeof repositorySchema>
export type S3RepositoryConfig = z.infer<typeof s3Repository>
export type SshRepositoryConfig = z.infer<typeof sshRepository>
