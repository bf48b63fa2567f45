import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { EXIT } from '../../../src/core/errors.ts'
import { holdfast } from './support.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-bare-'))
  await writeFile(join(dir, 'identity.txt'), 'AGE-SECRET-KEY-1')
  await writeFile(join(dir, 'dsn'), 'host=db1 dbname=shop')
})
afterAll(() => rm(dir, { recursive: true, force: true }))
afterEach(() => vi.unstubAllEnvs())

const config = (identity: string, dsn: string) => `
temporal: { address: "127.0.0.1:7233" }
repositories:
  hot: { type: s3, bucket: backups, accessKeyId: "\${env:HOLDFAST_TEST_BARE_KEY}" }
encryption: { recipients: [age1abc], breakGlass: age1def, identityFile: ${identity} }
signing: { keyId: k, privateKeyFile: signing.pem, publicKeys: { k: QQ== } }
sources:
  shop: { driver: postgres-physical, connection: "\${file:${dsn}}", repository: hot, host: db1, stanza: shop, pgbackrestConfig: /nowhere/pgbackrest.conf, binDir: ./bin }
  dump: { driver: postgres-logical, connection: "\${file:${dsn}}", repository: hot, binDir: ./bin }
  graph: { driver: redis, url: "redis://cache", repository: hot, programs: { server: ${dir}/bin/redis-server } }
  store: { driver: rocksdb, host: db1, path: /srv/store, repository: hot, service: { stop: [halt-store], start: [start-store, --all] } }
  etc: { driver: files, root: /etc/app, repository: hot, gpg: { recipients: [me@example.com] } }
`
const PROGRAMS = [
  ...[
    'age',
    'zstd',
    'setpriv',
    'tar',
    'gpg',
    'ldb',
    'pgbackrest',
    'redis-server',
    'redis-cli',
    'redis-check-rdb',
    'halt-store',
    'start-store',
  ],
  ...['postgres', 'pg_ctl', 'pg_amcheck', 'pg_controldata', 'pg_checksums'],
  ...['pg_dump', 'pg_dumpall', 'pg_restore', 'psql', 'initdb', 'vacuumdb'],
]
async function install(...programs: string[]): Promise<void> {
  await mkdir(join(dir, 'bin'), { recursive: true })
  for (const program of programs) await writeFile(join(dir, 'bin', program), '', { mode: 0o755 })
}

it('doctor --bare lists what has to come from outside, and says what of it is missing here', async () => {
  const file = join(dir, 'holdfast.yaml')
  vi.stubEnv('PATH', join(dir, 'bin'))
  await writeFile(file, config('identity.txt', 'dsn'))
  const missing = await holdfast('--config', file, 'doctor', '--bare')
  expect(missing.code).toBe(EXIT.degraded)
  expect(missing.stdout).toMatch(/^MISSING secret +environment variable HOLDFAST_TEST_BARE_KEY {2}\(repositories\.hot\.accessKeyId\)$/m)
  expect(missing.stdout).toMatch(/^MISSING file +\/nowhere\/pgbackrest\.conf/m)
  expect(missing.stdout).toMatch(/^ +key +the age identity of one of age1abc, age1def \(break glass\)/m)
  expect(missing.stdout).toMatch(/^ +secret +\/.*\/dsn {2}\(sources\.shop\.connection\)$/m)
  expect(missing.stdout).toMatch(/^MISSING file +\/.*\/signing\.pem {2}\(signing\.privateKeyFile\)$/m)
  expect(missing.stdout).toMatch(/^ +host +db1 /m)
  const absent = [...missing.stdout.matchAll(/^MISSING program +(\S+) /gm)].map(([, program = '']) => basename(program))
  expect(absent.toSorted()).toEqual(PROGRAMS.toSorted())

  await install(...PROGRAMS)
  await writeFile(join(dir, 'signing.pem'), '')
  vi.stubEnv('HOLDFAST_TEST_BARE_KEY', 'there')
  await writeFile(file, config('identity.txt', 'dsn').replace('/nowhere/pgbackrest.conf', join(dir, 'dsn')))
  const all = await holdfast('--config', file, 'doctor', '--bare')
  expect([all.code, all.stdout]).toEqual([EXIT.ok, expect.not.stringContaining('MISSING')])
  await writeFile(file, config('gone.txt', 'dsn'))
  expect((await holdfast('--config', file, 'doctor', '--bare')).stdout).toMatch(/^MISSING key /m)
})
