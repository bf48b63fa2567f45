/** Where recovery points are kept. */
import { z } from 'zod'
import { awsKey, secret } from './values.ts'

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
  uploads: z.number().int().min(1).max(16).default(4).describe('parts in flight at once'),
})
const folderRepository = z.strictObject({ type: z.literal('folder'), path: z.string().describe('a folder that every worker sees') })

export const repositorySchema = z.discriminatedUnion('type', [s3Repository, folderRepository])
export type RepositoryConfig = z.infer<typeof repositorySchema>
export type S3RepositoryConfig = z.infer<typeof s3Repository>
