/** The quickstart's holdfast.yaml: what an operator would write for such a pair. */
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { SampleSource } from '../sources/sample.ts'
import type { DnsServer } from '../toolbox/dns.ts'
import type { Pair, PairSite } from '../toolbox/pair.ts'
import type { S3Server } from '../toolbox/s3.ts'
import type { TemporalServer } from '../toolbox/temporal.ts'
import { RECORD, STANZA, ZONE } from './names.ts'

export interface ConfigParts {
  dir: string
  s3: S3Server
  dns: DnsServer
  pair: Pair
  temporal: TemporalServer
  samples: Record<string, SampleSource>
  recipient: string
  identityFile: string
  publicKey: string
  privateKeyFile: string
  accessKeyFile: string
  secretKeyFile: string
  tsigFile: string
  connectionFile: string
}

export function configText(parts: ConfigParts): string {
  const { dir, s3, dns, pair, temporal } = parts
  const file = (path: string) => `\${file:${path}}`
  const common = {
    connection: file(parts.connectionFile),
    group: 'shop',
    repository: 'hot',
    osUser: pair.primary.config.osUser,
    scratchDir: join(dir, 'scratch'),
    verify: { assertions: [{ name: 'the writer has written', sql: 'select count(*) > 0 from writes' }] },
  }
  const site = ({ config, dir: siteDir }: PairSite) => ({ ...config, pgbackrestConfig: join(siteDir, 'backrest', 'pgbackrest.conf') })
  return stringify({
    temporal: { address: temporal.address },
    repositories: {
      hot: {
        type: 's3',
        bucket: 'backups',
        endpoint: s3.endpoint,
        caFile: s3.caFile,
        accessKeyId: file(parts.accessKeyFile),
        secretAccessKey: file(parts.secretKeyFile),
      },
    },
    encryption: { recipients: [parts.recipient], identityFile: parts.identityFile },
    signing: { keyId: 'quickstart', privateKeyFile: parts.privateKeyFile, publicKeys: { quickstart: parts.publicKey } },
    sources: {
      shop: {
        driver: 'postgres-physical',
        ...common,
        host: 'east',
        stanza: STANZA,
        pgbackrestConfig: join(pair.primary.dir, 'backrest', 'pgbackrest.conf'),
        barrier: true,
        schedules: {
          full: { calendar: 'Sun 02:00' },
          incremental: { calendar: 'Mon-Sat 02:00' },
          walSwitch: { calendar: 'hourly' },
          retention: { calendar: 'daily 05:00' },
          verify: { calendar: 'daily 04:00' },
        },
      },
      'shop-logical': { driver: 'postgres-logical', ...common, schedules: { logical: { calendar: 'daily 03:30' } } },
      ...Object.fromEntries(
        Object.entries(parts.samples).map(([name, { driver, config }]) => [
          name,
          { driver, repository: 'hot', scratchDir: common.scratchDir, ...config },
        ]),
      ),
    },
    failoverGroups: {
      shop: {
        database: pair.database,
        source: 'shop',
        primary: 'east',
        sites: { east: site(pair.primary), west: site(pair.standby) },
        fence: [{ type: 'stop-instance', timeout: '10s' }],
        traffic: [
          {
            type: 'rfc2136',
            server: dns.server,
            zone: ZONE,
            record: RECORD,
            ttl: 1,
            key: { name: dns.key.name, algorithm: dns.key.algorithm, secret: file(parts.tsigFile) },
          },
        ],
        checks: [{ sql: 'select count(*) > 0 from writes' }],
        objectives: { rto: '1h' },
        approvals: { count: 1, within: '30m' },
      },
    },
  })
}
