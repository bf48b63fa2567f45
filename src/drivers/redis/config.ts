/** What a source of this driver is configured with: a Redis, or a FalkorDB, which is a Redis with graphs in it. */
import { z } from 'zod'
import { assertionName, everySource, schedulesOf, verifyWith } from '../../config/schema/every-source.ts'
import { secret } from '../../config/schema/values.ts'

const db = z.number().int().nonnegative().default(0).describe('number of the database')

const assertion = z.union([
  z.strictObject({
    name: assertionName,
    db,
    command: z.array(z.string()).min(1).describe('asked of the restored server, which takes no writes: ["LLEN", "jobs"]'),
    equals: z.string().describe('the answer when well, a list as JSON'),
  }),
  z.strictObject({
    name: assertionName,
    db,
    graph: z.string().describe('name of a graph'),
    cypher: z.string().describe('a query that only reads and gives one boolean, true when well'),
  }),
])

const shape = z.strictObject({
  driver: z.literal('redis'),
  ...everySource,
  schedules: schedulesOf('scheduled'),
  verify: verifyWith(assertion),
  url: secret.describe('redis://host:port, or rediss:// for TLS; user and password may be in it as references'),
  username: secret.optional().describe('of an ACL user; a secret reference'),
  password: secret.optional().describe('a secret reference'),
  tls: z
    .strictObject({
      caFile: z.string().optional().describe('PEM of the authority that signed the certificate of the server'),
      certFile: z.string().optional().describe('PEM of the certificate that the server asks of its clients'),
      keyFile: z.string().optional().describe('PEM of its key'),
    })
    .prefault({}),
  fetch: z
    .enum(['replication', 'folder'])
    .default('replication')
    .describe('replication: the RDB comes over the network; folder: the server saves it, and a worker on its host takes the file'),
  dataDir: z.string().optional().describe('for fetch: folder, the data folder of the server as its host sees it'),
  dbfilename: z.string().default('dump.rdb').describe('for fetch: folder, the name that the server saves under'),
  programs: z
    .strictObject({
      server: z.string().default('redis-server').describe('for scratch servers'),
      cli: z.string().default('redis-cli'),
      checkRdb: z.string().default('redis-check-rdb'),
    })
    .prefault({})
    .describe('not older than the server that is backed up'),
  modules: z.array(z.string()).default([]).describe('paths of the modules that a scratch server loads, like falkordb.so'),
  load: z
    .boolean()
    .default(true)
    .describe('loads each RDB into a scratch server before it becomes a point: takes as much memory on the worker as the data'),
  graphs: z
    .strictObject({
      export: z.boolean().default(true).describe('each graph as Cypher too, of the same moment; needs load'),
      optional: z.boolean().default(false).describe('a graph that cannot be exported is a warning'),
    })
    .prefault({}),
  acl: z.boolean().default(true).describe('the users, with hashes of their passwords, which no RDB holds'),
  address: z
    .string()
    .default('127.0.0.1')
    .describe('of this worker, as the server sees it: a restore over the live server listens here while the server reads from it'),
})

export const redisSource = shape
  .refine(({ fetch, host, dataDir }) => fetch !== 'folder' || (host !== undefined && dataDir !== undefined), {
    path: ['fetch'],
    message: 'folder needs host, whose worker sees the data folder, and dataDir',
  })
  .refine(({ fetch, dataDir }) => fetch === 'folder' || dataDir === undefined, {
    path: ['dataDir'],
    message: 'means something with fetch: folder only',
  })
export type RedisSourceConfig = z.infer<typeof redisSource>
