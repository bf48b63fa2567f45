import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateSigningKey } from '../../../src/catalog/signing.ts'
import { examineConfig, examineSecrets } from '../../../src/cli/doctor/config.ts'
import { collect, type DoctorFinding, report } from '../../../src/cli/doctor/finding.ts'
import { examineRepositories } from '../../../src/cli/doctor/repositories.ts'
import { examineSources } from '../../../src/cli/doctor/sources.ts'
import { clockOffset } from '../../../src/cli/doctor/servers.ts'
import { queuesOf } from '../../../src/cli/doctor/temporal.ts'
import { tlsOfPostgres, tlsOfTemporal, tlsOfUrl } from '../../../src/cli/doctor/tls.ts'
import { examineTools, toolsOf } from '../../../src/cli/doctor/tools.ts'
import { redisSource } from '../../../src/drivers/redis/config.ts'
import { parseConfig } from '../../../src/config/load.ts'
import type { Config } from '../../../src/config/schema.ts'
import { HoldfastError } from '../../../src/core/errors.ts'
import { makeIdentity } from '../../support/age.ts'

let dir: string
let config: Config
const keys = generateSigningKey()

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-doctor-'))
  const { file, recipient } = await makeIdentity(dir)
  await writeFile(join(dir, 'signing.pem'), keys.privateKeyPem, { mode: 0o600 })
  await writeFile(join(dir, 'dsn'), 'host=/run dbname=x', { mode: 0o600 })
  config = parseConfig(
    `
repositories: { hot: { type: folder, path: ${dir}/repository }, gone: { type: folder, path: ${dir}/gone } }
encryption: { recipients: [${recipient}], identityFile: ${file} }
signing: { keyId: k, privateKeyFile: ${dir}/signing.pem, publicKeys: { k: ${keys.publicKey} } }
sources:
  orders: { driver: postgres-logical, connection: "\${file:${dir}/dsn}", repository: hot, verify: { assertions: [ { sql: "select '\${no reference}' <> ''" } ] } }
  cluster: { driver: postgres-physical, connection: "host=db password=hunter2", repository: hot, host: db1, stanza: s, pgbackrestConfig: /etc/none }
`,
    'test.yaml',
  )
})
afterAll(() => rm(dir, { recursive: true, force: true }))

async function findings(
  examine: (config: Config, into: ReturnType<typeof collect>) => Promise<void>,
  of = config,
): Promise<DoctorFinding[]> {
  const into = collect('config')
  await examine(of, into)
  return into.all
}
const ill = (all: DoctorFinding[]) => all.filter(({ ok }) => !ok)

describe('doctor on keys', () => {
  it('is content with keys that fit', async () => {
    expect(ill(await findings(examineConfig))).toEqual([])
  })

  it('finds a signing key of another id, an identity of nobody, and a key that every user can read', async () => {
    const other = {
      ...config,
      signing: { ...config.signing, publicKeys: { k: generateSigningKey().publicKey } },
      encryption: { ...config.encryption, recipients: ['age1other'] },
    }
    await chmod(join(dir, 'signing.pem'), 0o644)
    try {
      const all = ill(await findings(examineConfig, other))
      expect(all.map(({ object, name }) => `${object} ${name}`)).toEqual([
        'signing private key',
        'signing file mode',
        'encryption identity',
      ])
      expect(all[1]?.next).toBe(`chmod 600 ${join(dir, 'signing.pem')}`)
    } finally {
      await chmod(join(dir, 'signing.pem'), 0o600)
    }
  })

  it('finds a key that is not there', async () => {
    const all = ill(await findings(examineConfig, { ...config, encryption: { ...config.encryption, identityFile: '/nowhere/identity' } }))
    expect(all).toMatchObject([
      {
        object: 'encryption',
        name: 'identity',
        detail: 'KEY_MISSING: the identity /nowhere/identity cannot be read: there is no such file',
      },
    ])
  })

  it('names a signing key that is none by its id and its file', async () => {
    const privateKeyFile = join(dir, 'dsn')
    const all = ill(await findings(examineConfig, { ...config, signing: { ...config.signing, privateKeyFile } }))
    expect(all).toMatchObject([
      { name: 'private key', detail: expect.stringContaining(`the private signing key "k" in ${privateKeyFile} is not ed25519`) },
    ])
  })
})

describe('doctor on a log', () => {
  it('finds a rule that no retention goes by', async () => {
    const pages = { driver: 'raft-cluster', repository: 'hot', nodes: { a: { url: 'http://a:1', dataDir: '/pages' } } }
    const archives = { old: { repository: 'hot', keep: '30d' }, now: { repository: 'hot', keep: '30d' }, forever: { repository: 'hot' } }
    const services = { driver: async () => Promise.reject(new Error('not asked here')) } as never
    const of = (wal: object) => parseConfig(JSON.stringify({ ...config, archives, sources: { pages: { ...pages, wal } } }), 'x')
    const about = async (wal: object) =>
      (await findings((shown, into) => examineSources(shown, into, services), of(wal)))
        .filter(({ name }) => name === 'keep')
        .map(({ object, ok }) => [object, ok])
    expect(await about({ archive: 'now' })).toEqual([
      ['archives.old', false],
      ['archives.now', true],
    ])
    expect(await about({ archive: 'now', earlier: ['old'] })).toEqual([
      ['archives.old', true],
      ['archives.now', true],
    ])
    expect(() => of({ archive: 'now', earlier: ['older'] })).toThrow('no archive "older"')
  })
})

describe('doctor on secrets', () => {
  it('looks up every reference, warns of a password in the configuration, and shows none', async () => {
    const all = await findings(examineSecrets)
    expect(all.map(({ object, name, ok }) => [object, name, ok])).toEqual([
      ['sources.orders.connection', 'reference', true],
      ['sources.cluster.connection', 'literal', false],
    ])
    expect(JSON.stringify(all)).not.toContain('hunter2')
  })

  it('warns of an API key in the configuration', async () => {
    const vectors = { driver: 'qdrant', url: 'http://127.0.0.1:6333', repository: 'hot', apiKey: 'hunter2' }
    const all = ill(await findings(examineSecrets, parseConfig(JSON.stringify({ ...config, sources: { vectors } }), 'x')))
    expect(all).toMatchObject([{ object: 'sources.vectors.apiKey', name: 'literal' }])
    expect(JSON.stringify(all)).not.toContain('hunter2')
  })

  it('warns of the tokens of Vault, keys and seeds, also in a list, and of passwords inside of addresses', async () => {
    const sources = {
      secrets: {
        driver: 'vault',
        ...{ url: 'https://vault:8200', token: 'hunter2', repository: 'hot' },
        scratch: { url: 'https://drill:8200', token: '${env:PATH}', restoredToken: 'hunter2', unsealKeys: ['${env:PATH}', 'hunter2'] },
      },
      streams: { driver: 'nats', servers: ['nats://one:4222'], nkeySeed: 'hunter2', repository: 'hot' },
      graph: { driver: 'redis', url: 'redis://:hunter2@graph:6379', repository: 'hot' },
    }
    const all = ill(await findings(examineSecrets, parseConfig(JSON.stringify({ ...config, sources }), 'x')))
    expect(all.map(({ object }) => object)).toEqual([
      'sources.secrets.token',
      'sources.secrets.scratch.restoredToken',
      'sources.secrets.scratch.unsealKeys.1',
      'sources.streams.nkeySeed',
      'sources.graph.url',
    ])
    expect(JSON.stringify(all)).not.toContain('hunter2')
  })

  it('names a reference that leads nowhere', async () => {
    const lost = parseConfig(
      JSON.stringify({ ...config, sources: { orders: { ...config.sources['orders'], connection: '${env:HOLDFAST_NO_SUCH_THING}' } } }),
      'x',
    )
    expect(ill(await findings(examineSecrets, lost))).toMatchObject([
      { detail: expect.stringContaining('SECRET_MISSING'), next: expect.stringContaining('HOLDFAST_NO_SUCH_THING') },
    ])
  })
})

describe('doctor on the rest', () => {
  it('asks for the tools that this configuration needs, and no others', async () => {
    const programs = toolsOf(config).map(({ program }) => program)
    expect(programs).toEqual(expect.arrayContaining(['age', 'zstd', 'pgbackrest', '/usr/lib/postgresql/15/bin/pg_dump']))
    expect(programs).not.toContain('nsupdate')
    expect(programs).not.toContain('ssh')
    const far: Config = { ...config, repositories: { far: { type: 'ssh', host: 'vault', path: '/srv' } } }
    expect(toolsOf(far).map(({ program }) => program)).toContain('ssh')
    const cache = redisSource.parse({ driver: 'redis', url: 'redis://cache', repository: 'hot', programs: { checkRdb: '/opt/check' } })
    const ofCache = toolsOf({ ...config, sources: { cache } }).map(({ program }) => program)
    expect(ofCache).toEqual(expect.arrayContaining(['redis-server', 'redis-cli', '/opt/check']))
    const missing = { ...config, sources: { orders: { ...config.sources['orders'], binDir: '/nowhere' } } } as Config
    expect(ill(await findings(examineTools, missing))).toContainEqual(
      expect.objectContaining({ object: '/nowhere/pg_dump', detail: expect.stringContaining('TOOL_MISSING') }),
    )
  })

  it('tells a repository that is away in one finding, not once for each probe', async () => {
    const away = `repositories: { gone: { type: s3, bucket: b, endpoint: "http://127.0.0.1:1", accessKeyId: "\${file:${dir}/dsn}", secretAccessKey: "\${file:${dir}/dsn}" } }`
    const { repositories } = parseConfig(
      `${away}\nencryption: { recipients: [age1x] }\nsigning: { keyId: k, publicKeys: { k: k } }\nsources: {}`,
      'x',
    )
    expect(ill(await findings(examineRepositories, { ...config, repositories }))).toMatchObject([
      { object: 'gone', name: 'reachable', detail: expect.stringContaining('STORE_UNREACHABLE') },
    ])
  })

  it('knows every queue that a run needs, and how to start its worker', () => {
    expect(queuesOf(config)).toEqual([
      { queue: 'holdfast', roles: 'control' },
      { queue: 'holdfast-data', roles: 'data' },
      { queue: 'holdfast-host-db1', roles: 'host:db1' },
    ])
  })

  it('a check that throws is a finding with the next step of its error', async () => {
    const all = await findings((_, into) =>
      into.guard('it', 'check', () => Promise.reject(new HoldfastError('BUSY', 'held', { next: 'wait' }))),
    )
    expect(all).toEqual([{ area: 'config', object: 'it', name: 'check', ok: false, detail: 'BUSY: held', next: 'wait' }])
    expect(report(all)).toEqual(['LOOK config it: check: BUSY: held', '     next: wait', '1 of 1 checks need attention'])
  })
})

describe('doctor on encryption', () => {
  it.each([
    ['/run/postgresql', 'disable', false, true],
    ['127.0.0.2', 'prefer', false, true],
    ['db.example.com', 'verify-full', true, true],
    ['db.example.com', 'verify-ca', true, true],
    ['db.example.com', 'require', true, false],
    ['db.example.com', 'prefer', true, false],
    ['db.example.com', 'prefer', false, false],
    ['db.example.com', 'disable', false, false],
  ])('PostgreSQL at %s with sslmode=%s, encrypted %s: well %s', (host, sslmode, encrypted, well) => {
    expect(tlsOfPostgres({ host, sslmode, encrypted }).next === undefined).toBe(well)
  })

  it.each([
    ['https://s3.example.com', true],
    ['http://127.0.0.1:9000', true],
    ['http://[::1]:9000', true],
    ['http://s3.example.com', false],
    ['http://127.example.com', false],
  ])('the endpoint %s: well %s', (url, well) => {
    expect(tlsOfUrl(url).next === undefined).toBe(well)
  })

  it.each([
    ['127.0.0.1:7233', false, true],
    ['temporal.example.com:7233', true, true],
    ['temporal.example.com:7233', false, false],
  ])('Temporal at %s with TLS %s: well %s', (address, tls, well) => {
    expect(tlsOfTemporal(address, tls).next === undefined).toBe(well)
  })
})

describe('doctor on clocks', () => {
  it('blames only what the time of the answer cannot explain', () => {
    expect(clockOffset({ server: 10_100, sent: 10_000, answered: 10_200 }).ok).toBe(true)
    expect(clockOffset({ server: 14_900, sent: 10_000, answered: 15_000 }).ok).toBe(true)
    expect(clockOffset({ server: 12_000, sent: 10_000, answered: 10_200 })).toEqual({
      ok: false,
      detail: '1.90 s before this machine, give or take 0.10 s',
    })
    expect(clockOffset({ server: 8_000, sent: 10_000, answered: 10_200 }).detail).toContain('behind')
  })
})
