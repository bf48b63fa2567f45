import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { resolveSecret } from '../../../src/config/secrets.ts'

const started = process.cwd()
let home: string
let elsewhere: string
beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'holdfast-paths-')))
  elsewhere = join(home, 'elsewhere')
  await mkdir(join(home, 'keys'))
  await mkdir(elsewhere)
  await writeFile(join(home, 'keys', 'dsn'), 'host=db1')
  await writeFile(join(home, 'keys', 'identity.txt'), '')
  await writeFile(join(elsewhere, 'signing.pem'), '')
})
afterAll(() => rm(home, { recursive: true, force: true }))
afterEach(() => process.chdir(started))

async function load(signingKey = 'keys/signing.pem') {
  await writeFile(
    join(home, 'holdfast.yaml'),
    `repositories: { hot: { type: folder, path: repository }, s3: { type: s3, bucket: b, prefix: a/b, caFile: /etc/ca.pem } }
encryption: { recipients: [age1abc], identityFile: keys/identity.txt }
signing: { keyId: k, privateKeyFile: ${signingKey}, publicKeys: { k: QQ==, ofTheFile: QQ== } }
sources:
  orders:
    driver: postgres-logical
    connection: "\${file:keys/dsn} dbname=\${env:NAME}"
    repository: hot
    scratchDir: ../scratch
    verify: { assertions: [{ sql: "select '\${file:keys/dsn}' <> ''" }] }
  notes: { driver: files, root: /srv/notes, repository: hot, gpg: { recipients: [home], home: keyring } }
`,
  )
  process.chdir(elsewhere)
  return loadConfig('../holdfast.yaml')
}

it('a relative path begins in the folder of the configuration, wherever the program was started', async () => {
  const { encryption, signing, repositories, sources } = await load()
  expect(encryption.identityFile).toBe(join(home, 'keys/identity.txt'))
  expect(signing).toMatchObject({ privateKeyFile: join(home, 'keys/signing.pem'), publicKeys: { ofTheFile: 'QQ==' } })
  expect(repositories).toMatchObject({ hot: { path: join(home, 'repository') }, s3: { prefix: 'a/b', caFile: '/etc/ca.pem' } })
  const { orders, notes } = sources
  expect(notes).toMatchObject({ gpg: { recipients: ['home'], home: join(home, 'keyring') } })
  expect(orders).toMatchObject({
    scratchDir: join(home, '../scratch'),
    verify: { assertions: [{ sql: expect.stringContaining(':keys/') }] },
  })
  const { connection } = orders as { connection: string }
  expect(connection).toBe(`\${file:${home}/keys/dsn} dbname=\${env:NAME}`)
  expect(await resolveSecret(connection.split(' ')[0] ?? '')).toBe('host=db1')
})

it('of gpg.home too: a keyring that is only where the program was started is named', async () => {
  await mkdir(join(elsewhere, 'keyring'))
  await expect(load()).rejects.toMatchObject({ details: { problems: [{ path: 'sources.notes.gpg.home' }] } })
  await rm(join(elsewhere, 'keyring'), { recursive: true })
})

it('a path that leads somewhere only from where the program was started is refused, with both places', async () => {
  await expect(load('signing.pem')).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    details: { problems: [{ line: 3, path: 'signing.privateKeyFile' }] },
    message: expect.stringMatching(`there is no ${home}/signing.pem.*is it ${elsewhere}/signing.pem`),
  })
})
