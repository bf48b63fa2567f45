/** The holdfast.yaml that `init` writes: it is valid as it stands, and says what else there is. */
import { join } from 'node:path'

export interface TemplateParts {
  /** Where the configuration lies, and its name there. */
  folder: string
  file: string
  recipient: string
  identityFile: string
  signingKeyFile: string
  publicKey: string
  keyId: string
}

export function configTemplate(parts: TemplateParts): string {
  const quoted = (text: string) => JSON.stringify(text)
  return `# Holdfast. Every key is explained in docs/config.md; holdfast doctor tries what stands here.
# Secrets are references, \${env:NAME} or \${file:/path}: the worker looks them up at the last moment.

temporal:
  address: 127.0.0.1:7233        # holdfast dev starts a server here
  namespace: default

repositories:
  hot:                           # where recovery points live
    type: folder
    path: ${quoted(join(parts.folder, 'repository'))}
#  hot:                          # the same on S3, or on anything that speaks S3
#    type: s3
#    bucket: backups
#    region: eu-central-1
#    endpoint: https://s3.example.com     # left out for AWS
#    accessKeyId: \${env:AWS_ACCESS_KEY_ID}
#    secretAccessKey: \${env:AWS_SECRET_ACCESS_KEY}

encryption:
  recipients: [${parts.recipient}]
  identityFile: ${quoted(parts.identityFile)}   # proofs and restores need it
#  breakGlass: age1…             # a second identity, kept in a safe: it opens everything too

signing:
  keyId: ${parts.keyId}
  privateKeyFile: ${quoted(parts.signingKeyFile)}
  publicKeys:
    ${parts.keyId}: ${quoted(parts.publicKey)}

sources:
  orders:
    driver: postgres-logical     # pg_dump of one database
    connection: \${env:ORDERS_DSN}   # host=db.example.com dbname=orders user=backup password=… sslmode=verify-full
    repository: hot
    schedules:
      logical:   { calendar: "daily 03:30" }
      retention: { calendar: "daily 05:00" }
    retention: { keepLast: 7, weekly: 4, monthly: 12 }
    verify:
      restore: weekly            # a backup counts once a restore of it was proved
      assertions:
        - { name: there are tables, sql: "select count(*) > 0 from pg_tables where schemaname = 'public'" }
    freshness: 25h               # holdfast status says STALE beyond this

  holdfast-config:               # this file; on every deployment: holdfast backup holdfast-config --description "deploy v1.2.3"
    driver: files                # a folder: compose files, schemas, …; secrets are left out, by name and by content
    root: ${quoted(parts.folder)}
    include: [${quoted(`/${parts.file}`)}]
    repository: hot
    schedules:
      scheduled: { calendar: "daily 04:00" }
      retention: { calendar: "daily 05:00" }
    verify: { restore: weekly }

#  orders-physical:              # the whole cluster by pgBackRest, with any moment in between
#    driver: postgres-physical
#    connection: \${env:ORDERS_DSN}
#    host: db1                   # on that host: holdfast worker --roles host:db1
#    stanza: orders
#    pgbackrestConfig: /etc/pgbackrest/pgbackrest.conf
#    repository: hot
#    schedules:
#      full:        { calendar: "Sun 02:00", retention: 90d, yearly: 7 }
#      incremental: { calendar: "Mon-Sat 02:00", retention: 30d }
#      walSwitch:   { calendar: "hourly" }
#    pitrWindow: 7d              # any moment of it; WAL before it goes: see docs/retention.md

#failoverGroups:                 # a primary and its standby: see docs/config.md
`
}
