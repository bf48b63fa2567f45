/** The one schema of holdfast.yaml. The JSON Schema and the reference page are generated from it. */
import { z } from 'zod'
import { applicationSchema, projectionSchema } from './schema/applications.ts'
import { archiveSchema } from './schema/archives.ts'
import { failoverGroup } from './schema/failover-groups.ts'
import { repositorySchema } from './schema/repositories.ts'
import { setSchema } from './schema/sets.ts'
import { sourceSchema } from './schema/sources.ts'
import { name } from './schema/values.ts'

export * from './schema/applications.ts'
export * from './schema/archives.ts'
export * from './schema/failover-groups.ts'
export * from './schema/repositories.ts'
export * from './schema/sets.ts'
export * from './schema/sources.ts'
export { duration } from './schema/values.ts'

/** The shape only: names that must exist, calendars and time zones are looked at by meaning.ts. */
export const configSchema = z.strictObject({
  temporal: z
    .strictObject({
      address: z.string().default('127.0.0.1:7233').describe('host:port; TLS and keys come from the Temporal environment variables'),
      namespace: z.string().default('default'),
    })
    .default({ address: '127.0.0.1:7233', namespace: 'default' }),
  repositories: z.record(name, repositorySchema),
  encryption: z.strictObject({
    recipients: z
      .array(z.string().regex(/^age1/, 'an age recipient begins with age1'))
      .min(1)
      .describe('age keys that can read every point'),
    breakGlass: z.string().regex(/^age1/).optional().describe('one more, whose identity is kept offline'),
    identityFile: z.string().optional().describe('age identity of this worker, needed by proofs and restores'),
    check: z
      .union([z.string(), z.literal(false)])
      .default('weekly')
      .describe('when a worker opens the oldest point of every source, to see that somebody still can; false for never'),
  }),
  signing: z.strictObject({
    keyId: z.string().describe('the key of publicKeys that this worker signs with'),
    privateKeyFile: z.string().optional().describe('PKCS#8 PEM of the ed25519 key that this worker signs with'),
    publicKeys: z.record(z.string(), z.string()).describe('key id to base64 of the raw ed25519 public key'),
  }),
  sources: z.record(
    name.refine((key) => !['sets', 'index', 'evidence', 'heads'].includes(key), 'the repository uses this name itself'),
    sourceSchema,
  ),
  archives: z.record(name, archiveSchema).default({}),
  sets: z.record(name, setSchema).default({}),
  applications: z.record(name, applicationSchema).default({}),
  projections: z.record(name, projectionSchema).default({}),
  failoverGroups: z.record(name, failoverGroup).default({}),
})
export type Config = z.infer<typeof configSchema>
