/** What a source of this driver is configured with. */
import { z } from 'zod'
import { assertionName, everySource, schedulesOf, verifyWith } from '../../config/schema/every-source.ts'
import { secret, size } from '../../config/schema/values.ts'

const assertion = z.strictObject({
  name: assertionName,
  stream: z.string().describe('a stream; key-value buckets are KV_<name>, object buckets OBJ_<name>'),
  subject: z.string().default('>').describe('only messages with it; * and > as in a subscription'),
  atLeast: z.number().int().min(0).default(1).describe('how many messages there have to be'),
  contains: z.string().optional().describe('what the newest of them has to hold'),
})

export const natsSource = z.strictObject({
  driver: z.literal('nats'),
  ...everySource,
  servers: z
    .array(z.string().regex(/^(nats|tls):\/\/[^@/]+$/, 'a server is nats://host:port, without a password'))
    .min(1)
    .describe('of one cluster; any of them'),
  token: secret.optional(),
  user: z.string().optional(),
  password: secret.optional(),
  nkeySeed: secret.optional(),
  credentials: secret.optional().describe('what a .creds file holds: ${file:/path}'),
  tls: z
    .strictObject({
      caFile: z.string().optional().describe('PEM of the authority that signed the certificate of the server'),
      certFile: z.string().optional().describe('where the server asks for a certificate'),
      keyFile: z.string().optional(),
    })
    .optional(),
  jsDomain: z.string().optional().describe('of JetStream, where the connection leads to another one'),
  streams: z
    .strictObject({
      include: z.array(z.string().min(1)).min(1).default(['*']).describe('names; * stands for anything'),
      exclude: z.array(z.string().min(1)).default([]),
    })
    .prefault({}),
  digestUpTo: size
    .default('256MB')
    .describe('streams up to it are read a second time in a backup, so that a proof compares message by message; 0B for none'),
  sourcing: z
    .enum(['continue', 'refuse'])
    .default('continue')
    .describe('what a live restore does with streams that source from one it replaces: told where to go on, or nothing is replaced'),
  programs: z.strictObject({ server: z.string().default('nats-server').describe('for scratch instances') }).prefault({}),
  schedules: schedulesOf('scheduled'),
  verify: verifyWith(assertion),
})
export type NatsSourceConfig = z.infer<typeof natsSource>
