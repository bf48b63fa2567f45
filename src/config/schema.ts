/** The one schema of holdfast.yaml. The JSON Schema and the reference page are generated from it. */
import { z } from 'zod'

const name = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'a name is lower case letters, digits, "-" and "_"')
/** A value or a reference to one: `${env:NAME}` or `${file:/path}`, resolved in the worker at the last moment. */
const secret = z.string().min(1).describe('a secret reference: ${env:NAME} or ${file:/path}')
export const duration = z.string().regex(/^\d+(s|m|h|d)$/, 'a duration is a number and s, m, h or d, like 15m')
const command = z.array(z.string()).min(1).describe('a program and its arguments')

const s3Repository = z.strictObject({
  type: z.literal('s3'),
  bucket: z.string(),
  region: z.string().default('us-east-1'),
  endpoint: z.url().optional().describe('for stores other than AWS'),
  prefix: z.string().default(''),
  caFile: z.string().optional().describe('PEM of the authority that signed the endpoint certificate'),
  accessKeyId: secret.optional(),
  secretAccessKey: secret.optional(),
  storageClass: z.string().optional(),
  objectLock: z.strictObject({ mode: z.enum(['compliance', 'governance']) }).optional(),
  uploads: z.number().int().min(1).max(16).default(4).describe('parts in flight at once'),
})
const folderRepository = z.strictObject({ type: z.literal('folder'), path: z.string() })
export const repositorySchema = z.discriminatedUnion('type', [s3Repository, folderRepository])
export type RepositoryConfig = z.infer<typeof repositorySchema>
export type S3RepositoryConfig = z.infer<typeof s3Repository>

const schedule = z.strictObject({
  calendar: z.string().describe('days and time, like "Sun 02:00", "Mon-Sat 02:00", "daily 03:30", "hourly"'),
  timezone: z.string().default('UTC'),
  retention: duration.optional(),
  yearly: z.number().int().positive().optional(),
})
const assertion = z.union([z.strictObject({ sql: z.string() }), z.strictObject({ name: z.string(), sql: z.string() })])
const verify = z.strictObject({
  read: z.string().optional().describe('calendar of proofs of depth read'),
  restore: z.string().optional().describe('calendar of proofs of depth restore'),
  assertions: z.array(assertion).default([]),
})
const retention = z.strictObject({
  keepLast: z.number().int().positive().default(7),
  keepWithin: duration.optional(),
  daily: z.number().int().nonnegative().default(0),
  weekly: z.number().int().nonnegative().default(0),
  monthly: z.number().int().nonnegative().default(0),
  yearly: z.number().int().nonnegative().default(0),
})
const common = {
  connection: secret.describe('libpq connection string of a role that may read everything'),
  group: name.optional().describe('the failover group whose primary this source follows'),
  repository: name,
  copies: z.array(name).default([]),
  schedules: z
    .partialRecord(z.enum(['full', 'incremental', 'differential', 'logical', 'walSwitch', 'retention', 'verify']), schedule)
    .default({}),
  retention: retention.default({ keepLast: 7, daily: 0, weekly: 0, monthly: 0, yearly: 0 }),
  verify: verify.default({ assertions: [] }),
  objectives: z.strictObject({ rpo: duration, rto: duration }).optional(),
  freshness: duration.optional(),
  binDir: z.string().default('/usr/lib/postgresql/15/bin'),
  osUser: z.string().optional().describe('the operating system user that PostgreSQL programs run as when the worker is root'),
  scratchDir: z.string().optional().describe('where quarantined scratch instances live; the system temporary folder by default'),
}
export const logicalSource = z.strictObject({
  driver: z.literal('postgres-logical'),
  ...common,
  schemas: z.array(z.string()).optional(),
  tables: z.array(z.string()).optional(),
  excludeTables: z.array(z.string()).optional(),
  parts: z.array(z.enum(['database', 'globals', 'schema', 'data', 'plain'])).default(['database', 'globals']),
  format: z.enum(['custom', 'directory']).default('custom'),
  jobs: z.number().int().min(1).max(32).default(2),
  compressionLevel: z.number().int().min(1).max(19).default(3),
})
export const physicalSource = z.strictObject({
  driver: z.literal('postgres-physical'),
  ...common,
  host: name.describe('host-bound steps run on the task queue holdfast-host-<host>'),
  engine: z.enum(['pgbackrest']).default('pgbackrest'),
  stanza: name,
  pgbackrestConfig: z.string().describe('the pgBackRest configuration file on that host'),
  pitrWindow: duration.default('7d'),
  barrier: z.boolean().default(false).describe('a short SHARE lock that lets a proof compare contents under load'),
})
export const sourceSchema = z.discriminatedUnion('driver', [logicalSource, physicalSource])
export type SourceConfig = z.infer<typeof sourceSchema>
export type LogicalSourceConfig = z.infer<typeof logicalSource>
export type PhysicalSourceConfig = z.infer<typeof physicalSource>

const site = z.strictObject({
  host: name.describe('host-bound steps run on the task queue holdfast-host-<host>'),
  address: z.string(),
  port: z.number().int().default(5432),
  dataDir: z.string(),
  binDir: z.string().default('/usr/lib/postgresql/15/bin'),
  osUser: z.string().optional(),
  configDir: z.string().optional().describe('set where postgresql.conf lives outside the data directory'),
  pgbackrestConfig: z.string().optional().describe('the pgBackRest configuration file of this site, where it is not that of the source'),
  supervisor: z.strictObject({ start: command, stop: command, mask: command, unmask: command }),
})
export type SiteConfig = z.infer<typeof site>
const fence = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('stop-instance'), timeout: duration.default('10s') }),
  z.strictObject({
    type: z.literal('command'),
    isolate: command,
    readBack: command.describe('exits 0 only while the host is isolated'),
    release: command.optional(),
  }),
])
export type FenceConfig = z.infer<typeof fence>
const rfc2136 = z.strictObject({
  type: z.literal('rfc2136'),
  server: z.string().describe('address:port of the primary name server'),
  zone: z.string(),
  record: z.string(),
  ttl: z.number().int().default(30),
  key: z.strictObject({ name: z.string(), algorithm: z.string().default('hmac-sha256'), secret }),
  servers: z
    .array(z.string())
    .optional()
    .describe('address:port of every authoritative server to ask, where they are not the NS of the zone on port 53'),
})
const route53 = z.strictObject({
  type: z.literal('route53'),
  zone: z.string().describe('hosted zone id'),
  record: z.string(),
  ttl: z.number().int().default(30),
  recordType: z.enum(['A', 'CNAME', 'ALIAS']).default('A'),
  values: z.record(name, z.string()).optional().describe('site to value, where it is not the address of the site'),
  aliasZone: z.string().optional(),
  setIdentifier: z.string().optional(),
  weight: z.number().int().optional(),
  endpoint: z.url().optional(),
  region: z.string().default('us-east-1'),
  accessKeyId: secret.optional(),
  secretAccessKey: secret.optional(),
})
export const trafficSchema = z.discriminatedUnion('type', [rfc2136, route53])
export type TrafficConfig = z.infer<typeof trafficSchema>
export type Rfc2136Config = z.infer<typeof rfc2136>
export type Route53Config = z.infer<typeof route53>
const check = z.union([
  z.strictObject({ http: z.url(), status: z.number().int().default(200) }),
  z.strictObject({ sql: z.string().describe('one boolean, true when well') }),
])
export type CheckConfig = z.infer<typeof check>

const failoverGroup = z.strictObject({
  database: z.strictObject({
    user: z.string(),
    password: secret.optional(),
    dbname: z.string().default('postgres'),
    replicationUser: z.string(),
    replicationPassword: secret.optional(),
    slot: z.string(),
    canary: z.boolean().default(true),
    sslmode: z.string().default('prefer'),
  }),
  /** The physical source that archives this pair's WAL. */
  source: name.optional(),
  primary: name.describe('the site that is primary in normal times'),
  sites: z.record(name, site).refine((sites) => Object.keys(sites).length === 2, 'a pair has two sites'),
  fence: z.array(fence).min(1),
  traffic: z.array(trafficSchema).default([]),
  checks: z.array(check).default([]),
  objectives: z.strictObject({ rpo: duration, rto: duration }).optional(),
  maxLag: z
    .string()
    .regex(/^\d+(kB|MB|GB)$/)
    .default('16MB')
    .describe('more WAL than this, or an unknown amount, needs an operator to accept the loss'),
  approvals: z
    .strictObject({ count: z.number().int().min(0).max(5).default(1), within: duration.default('30m') })
    .default({ count: 1, within: '30m' }),
  notify: z.string().optional(),
})
export type FailoverGroupConfig = z.infer<typeof failoverGroup>

/** The shape only: names that must exist, calendars and time zones are looked at by meaning.ts. */
export const configSchema = z.strictObject({
  temporal: z
    .strictObject({ address: z.string().default('127.0.0.1:7233'), namespace: z.string().default('default') })
    .default({ address: '127.0.0.1:7233', namespace: 'default' }),
  repositories: z.record(name, repositorySchema),
  encryption: z.strictObject({
    recipients: z.array(z.string().regex(/^age1/, 'an age recipient begins with age1')).min(1),
    breakGlass: z.string().regex(/^age1/).optional(),
    identityFile: z.string().optional().describe('age identity of this worker, needed by proofs and restores'),
  }),
  signing: z.strictObject({
    keyId: z.string(),
    privateKeyFile: z.string().optional().describe('PKCS#8 PEM of the ed25519 key that this worker signs with'),
    publicKeys: z.record(z.string(), z.string()).describe('key id to base64 of the raw ed25519 public key'),
  }),
  sources: z.record(
    name.refine((key) => !['sets', 'index', 'evidence', 'heads'].includes(key), 'the repository uses this name itself'),
    sourceSchema,
  ),
  failoverGroups: z.record(name, failoverGroup).default({}),
})
export type Config = z.infer<typeof configSchema>
