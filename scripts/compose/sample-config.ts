/** The holdfast.yaml of the sample in docker-compose.yml: one database on two sites, backed up to the S3 server beside it. */
import { stringify } from 'yaml'

export const SITE_DIR = '/srv/site'
export const STANZA = 'shop'
export const BUCKET = 'backups'
export const SLOT = 'holdfast_west'
const SUPERVISOR = '/app/scripts/toolbox/supervisor.ts'

export function sampleConfig({ keys, recipient, publicKey }: { keys: string; recipient: string; publicKey: string }): string {
  const file = (name: string) => `\${file:${keys}/${name}}`
  const pgbackrestConfig = `${SITE_DIR}/backrest/pgbackrest.conf`
  const supervise = (verb: string) => ['node', SUPERVISOR, verb, SITE_DIR]
  const site = (name: string) => ({
    host: name,
    address: name,
    port: 5432,
    dataDir: `${SITE_DIR}/data`,
    osUser: 'postgres',
    pgbackrestConfig,
    supervisor: { start: supervise('start'), stop: supervise('stop'), mask: supervise('mask'), unmask: supervise('unmask') },
  })
  const common = { connection: file('connection'), group: 'shop', repository: 'hot', osUser: 'postgres' }
  return stringify({
    temporal: { address: 'temporal:7233' },
    repositories: {
      hot: {
        type: 's3',
        bucket: BUCKET,
        endpoint: 'https://s3:7070',
        caFile: `${keys}/tls/ca.pem`,
        accessKeyId: file('s3-access-key'),
        secretAccessKey: file('s3-secret-key'),
      },
    },
    encryption: { recipients: [recipient], identityFile: `${keys}/identity.txt` },
    signing: { keyId: 'sample', privateKeyFile: `${keys}/signing.pem`, publicKeys: { sample: publicKey } },
    sources: {
      shop: {
        driver: 'postgres-physical',
        ...common,
        host: 'east',
        stanza: STANZA,
        pgbackrestConfig,
        schedules: {
          full: { calendar: 'Sun 02:00' },
          incremental: { calendar: 'Mon-Sat 02:00' },
          walSwitch: { calendar: 'hourly' },
          retention: { calendar: 'daily 05:00' },
        },
      },
      'shop-logical': { driver: 'postgres-logical', ...common, schedules: { logical: { calendar: 'daily 03:30' } } },
      'holdfast-config': {
        driver: 'files',
        root: keys,
        include: ['/holdfast.yaml'],
        repository: 'hot',
        schedules: { scheduled: { calendar: 'daily 04:00' } },
      },
    },
    failoverGroups: {
      shop: {
        database: {
          user: 'postgres',
          password: file('pg-password'),
          dbname: 'shop',
          replicationUser: 'repl',
          replicationPassword: file('pg-password'),
          slot: SLOT,
        },
        source: 'shop',
        primary: 'east',
        sites: { east: site('east'), west: site('west') },
        fence: [{ type: 'stop-instance', timeout: '10s' }],
        checks: [{ sql: 'select not pg_is_in_recovery()' }],
      },
    },
  })
}
