/** What a source of this driver is configured with: a Qdrant, or the nodes of a cluster. */
import { z } from 'zod'
import { assertionName, everySource, schedulesOf, verifyWith } from '../../config/schema/every-source.ts'
import { duration, secret } from '../../config/schema/values.ts'

const serverUrl = z
  .string()
  .regex(/^https?:\/\/[^@/?#]+(\/[^?#]*)?$/, 'a server is http://host:6333 or https://host, without a key')
  .describe('like https://qdrant:6333, which is also the port where none is named')

const assertion = z.union([
  z.strictObject({
    name: assertionName,
    collection: z.string(),
    filter: z.record(z.string(), z.unknown()).optional().describe('of Qdrant: { must: [{ key: city, match: { value: Bern } }] }'),
    atLeast: z.number().int().nonnegative().default(1).describe('how many points there have to be'),
    atMost: z.number().int().nonnegative().optional(),
  }),
  z.strictObject({
    name: assertionName,
    collection: z.string(),
    point: z.union([z.number().int().nonnegative(), z.string()]).describe('its id'),
    payload: z.record(z.string(), z.unknown()).default({}).describe('fields that it has to have, with their values'),
  }),
])

const shape = z.strictObject({
  driver: z.literal('qdrant'),
  ...everySource,
  schedules: schedulesOf('scheduled'),
  verify: verifyWith(assertion),
  url: serverUrl.optional().describe('of a server that stands alone: http://host:6333'),
  nodes: z.array(serverUrl).min(1).optional().describe('of a cluster, every one of them: each has snapshots of its own shards'),
  apiKey: secret.optional().describe('a secret reference; it has to allow writes'),
  tls: z
    .strictObject({ caFile: z.string().optional().describe('PEM of the authority that signed the certificates of the servers') })
    .prefault({}),
  collections: z
    .strictObject({
      include: z.array(z.string().min(1)).min(1).default(['*']).describe('names; * stands for anything'),
      exclude: z.array(z.string().min(1)).default([]),
    })
    .prefault({}),
  export: z
    .strictObject({
      enabled: z.boolean().default(true).describe('every point as a line of JSON, which other versions take too'),
      batchSize: z.number().int().min(1).max(10_000).default(1000).describe('points for each request at most; fewer where they are large'),
      optional: z.boolean().default(true).describe('an export that fails is a warning'),
    })
    .prefault({}),
  compare: z
    .strictObject({
      digestUpTo: z
        .number()
        .int()
        .nonnegative()
        .default(1_000_000)
        .describe('points; collections up to it are read before and after their snapshot, so that a proof compares point by point'),
      sample: z.number().int().nonnegative().default(100).describe('points of each collection that a proof compares in any case'),
    })
    .prefault({}),
  scratch: z
    .strictObject({
      url: serverUrl.optional().describe('a Qdrant for restores that are only looked at; without it the source itself, under other names'),
      apiKey: secret.optional().describe('of that server; a secret reference'),
    })
    .prefault({}),
  timeouts: z
    .strictObject({
      request: duration.default('1m').describe('for one answer'),
      snapshot: duration.default('2h').describe('for the making of one snapshot, and for its recovery'),
      idle: duration.default('2m').describe('without a byte of a transfer'),
    })
    .prefault({}),
})

export const qdrantSource = shape
  .refine(({ url, nodes }) => (url === undefined) !== (nodes === undefined), {
    path: ['url'],
    message: 'either url or nodes',
  })
  .refine(({ scratch }) => scratch.apiKey === undefined || scratch.url !== undefined, {
    path: ['scratch', 'apiKey'],
    message: 'means something with scratch.url only',
  })
export type QdrantSourceConfig = z.infer<typeof qdrantSource>
