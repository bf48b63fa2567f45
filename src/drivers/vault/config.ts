/** What a source of this driver is configured with: a Vault or an OpenBao with raft storage, and one that restores are proved on. */
import { z } from 'zod'
import { assertionName, everySource, schedulesOf, verifyWith } from '../../config/schema/every-source.ts'
import { duration, secret } from '../../config/schema/values.ts'

const serverUrl = z
  .string()
  .regex(/^https?:\/\/[^@/?#]+$/, 'a server is https://host:8200, without a path')
  .describe('like https://vault:8200, of the active node')
const tls = z
  .strictObject({ caFile: z.string().optional().describe('PEM of the authority that signed the certificate of the server') })
  .prefault({})

export const vaultSource = z.strictObject({
  driver: z.literal('vault'),
  ...everySource,
  schedules: schedulesOf('scheduled'),
  verify: verifyWith(
    z.strictObject({
      name: assertionName,
      read: z.string().min(1).describe('a path of the API, like secret/data/database; what is there is never written anywhere'),
      exists: z.boolean().default(true),
    }),
  ),
  url: serverUrl,
  token: secret.describe('a secret reference; what its policy needs is in the README of the driver'),
  tls,
  namespace: z.string().optional().describe('for the listing of mounts and keys; a snapshot has all namespaces'),
  sealKeys: z
    .array(z.string().min(1))
    .default([])
    .describe('what unseals it, for whoever restores: the id of the KMS key, or who has the shares. Never a key'),
  scratch: z
    .strictObject({
      url: serverUrl,
      token: secret.describe('of that server as it was initialised; it may use sys/storage/raft/snapshot-force'),
      restoredToken: secret
        .optional()
        .describe(
          'of the source: once restored, the scratch has the tokens of the source. Reads there, and may seal; the token of the source by default',
        ),
      unsealKeys: z.array(secret).min(1).describe('of the source, as many as its threshold: secret references'),
      tls,
    })
    .optional()
    .describe('another Vault, in a network that reaches no database: what is restored there revokes expired leases'),
  timeouts: z
    .strictObject({
      request: duration.default('1m').describe('for one answer'),
      snapshot: duration.default('1h').describe('without a byte of a snapshot, or an answer to one'),
    })
    .prefault({}),
})
export type VaultSourceConfig = z.infer<typeof vaultSource>
