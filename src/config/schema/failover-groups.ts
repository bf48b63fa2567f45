/** A pair of sites: how each is run, how the old one is kept from writing, how clients are moved. */
import { z } from 'zod'
import { awsKey, binDir, command, duration, name, osUser, secret, taskHost } from './values.ts'

const site = z.strictObject({
  host: taskHost,
  address: z.string().describe('where clients and the other site reach it; what the traffic record is set to'),
  port: z.number().int().default(5432),
  dataDir: z.string().describe('the data directory on that host'),
  binDir,
  osUser,
  configDir: z.string().optional().describe('set where postgresql.conf lives outside the data directory'),
  pgbackrestConfig: z.string().optional().describe('the pgBackRest configuration file of this site, where it is not that of the source'),
  supervisor: z
    .strictObject({ start: command, stop: command, mask: command, unmask: command })
    .describe('what keeps the server up, like systemctl; a masked one must not be startable'),
})
export type SiteConfig = z.infer<typeof site>

const fence = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('stop-instance'),
    timeout: duration.default('10s').describe('of a fast stop, before processes are killed'),
  }),
  z.strictObject({
    type: z.literal('command'),
    site: name.describe('the site whose host these commands isolate, and no other'),
    isolate: command.describe('powers off or isolates the host that cannot be reached'),
    readBack: command.describe('exits 0 only while the host is isolated'),
    release: command.optional().describe('ends the isolation'),
  }),
])
export type FenceConfig = z.infer<typeof fence>
export type CommandFenceConfig = Extract<FenceConfig, { type: 'command' }>

const ttl = z.number().int().default(30).describe('seconds that resolvers may keep the old answer')
const rfc2136 = z.strictObject({
  type: z.literal('rfc2136'),
  server: z.string().describe('address:port of the primary name server'),
  zone: z.string().describe('like example.com'),
  record: z.string().describe('the name that clients use'),
  ttl,
  key: z.strictObject({
    name: z.string().describe('of the TSIG key'),
    algorithm: z.string().default('hmac-sha256'),
    secret,
  }),
  servers: z
    .array(z.string())
    .optional()
    .describe('address:port of every authoritative server to ask, where they are not the NS of the zone on port 53'),
})
const route53 = z.strictObject({
  type: z.literal('route53'),
  zone: z.string().describe('hosted zone id'),
  record: z.string().describe('the name that clients use'),
  ttl,
  recordType: z.enum(['A', 'CNAME', 'ALIAS']).default('A'),
  values: z.record(name, z.string()).optional().describe('site to value, where it is not the address of the site'),
  aliasZone: z
    .union([z.string(), z.record(name, z.string())])
    .optional()
    .describe('hosted zone id of what an ALIAS points to, or site to id: load balancers of two regions have two'),
  setIdentifier: z.string().optional().describe('of a weighted record set'),
  weight: z.number().int().optional().describe('of that record set'),
  endpoint: z.url().optional().describe('for a server other than AWS'),
  region: z.string().default('us-east-1'),
  accessKeyId: awsKey,
  secretAccessKey: secret.optional(),
})
export const trafficSchema = z.discriminatedUnion('type', [rfc2136, route53])
export type TrafficConfig = z.infer<typeof trafficSchema>
export type Rfc2136Config = z.infer<typeof rfc2136>
export type Route53Config = z.infer<typeof route53>

const check = z.union([
  z.strictObject({
    http: z.url().describe('asked after the switch'),
    status: z.number().int().default(200).describe('the answer when well'),
  }),
  z.strictObject({ sql: z.string().describe('one boolean, true when well') }),
])
export type CheckConfig = z.infer<typeof check>

export const failoverGroup = z.strictObject({
  database: z.strictObject({
    user: z.string().describe('a superuser: the fence ends sessions, the promotion is sent by it'),
    password: secret.optional(),
    dbname: z.string().default('postgres').describe('where the canary table is and the checks are asked'),
    replicationUser: z.string().describe('the standby streams as this role'),
    replicationPassword: secret.optional(),
    slot: z.string().describe('the physical replication slot of the standby'),
    canary: z.boolean().default(true).describe('a row with the time, written by walSwitch and by a promotion: dates what was lost'),
    sslmode: z.string().default('prefer').describe('as libpq has it'),
  }),
  source: name.optional().describe('the physical source that archives this pair'),
  primary: name.describe('the site that is primary in normal times'),
  sites: z.record(name, site).refine((sites) => Object.keys(sites).length === 2, 'a pair has two sites'),
  fence: z.array(fence).min(1).describe('stop-instance on a host that answers, command for one that does not'),
  traffic: z.array(trafficSchema).default([]),
  checks: z.array(check).default([]),
  objectives: z.strictObject({ rto: duration.describe('a failover that took longer says so in its report') }).optional(),
  maxLag: z
    .string()
    .regex(/^\d+(kB|MB|GB)$/)
    .default('16MB')
    .describe('more WAL than this, or an unknown amount, needs an operator to accept the loss'),
  approvals: z
    .strictObject({
      count: z.number().int().min(0).max(5).default(1).describe('persons other than the requester; 0 moves without asking'),
      within: duration.default('30m').describe('later the run parks and awaits an operator'),
    })
    .default({ count: 1, within: '30m' }),
})
export type FailoverGroupConfig = z.infer<typeof failoverGroup>
