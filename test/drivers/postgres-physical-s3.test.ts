/** The same in an encrypted repository in S3 over TLS; and on a host that has only the manifest and the keys. */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type S3Server, startS3 } from '../../scripts/toolbox/s3.ts'
import type { Manifest } from '../../src/core/records.ts'
import { createPostgresPhysical, type PhysicalDriver } from '../../src/drivers/postgres-physical/index.ts'
import { createPhysicalSource, inCopy, type PhysicalSource, quiet } from '../support/physical.ts'

const cipherPass = randomBytes(24).toString('base64url')
let s3: S3Server
let source: PhysicalSource
let point: Manifest
let seen = ''

/** Every argument of every process that works for this source, for as long as the work lasts. */
async function watchArguments<T>(work: Promise<T>): Promise<T> {
  let done = false
  const end = work.finally(() => {
    done = true
  })
  end.catch(() => {})
  while (!done) {
    for (const entry of await readdir('/proc')) {
      const words = /^\d+$/.test(entry) ? await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '') : ''
      if (words.includes(source.root)) seen += words
    }
  }
  return end
}

beforeAll(async () => {
  s3 = await startS3()
  await s3.createBucket('wal')
  source = await createPhysicalSource({
    cipherPass,
    repo: () => ({
      type: 's3',
      bucket: 'wal',
      endpoint: s3.endpoint,
      caFile: s3.caFile as string,
      accessKeyId: s3.accessKeyId,
      secretAccessKey: s3.secretAccessKey,
    }),
  })
  await source.cluster.query(
    `create table orders (id serial primary key, note text); insert into orders (note) select md5(n::text) from generate_series(1, 500) n`,
  )
  point = await watchArguments(source.take('kept', 'full'))
})
afterAll(async () => {
  await source?.destroy()
  await s3?.stop()
})

/** A driver on a host without any configuration of pgBackRest. */
const elsewhere = (settings: Record<string, string>): PhysicalDriver =>
  createPostgresPhysical({ ...source.config, pgbackrestConfig: '/nowhere/pgbackrest.conf' }, source.cluster.connection(), {
    fromManifest: { settings },
  })

test('the passphrase stands in the repository for the age recipients only, and secrets in no manifest and no argument', async () => {
  expect(point.artifacts.map(({ role, encryption }) => [role, encryption])).toEqual([
    ['passphrase', 'age'],
    ['wal', 'age'],
  ])
  expect(seen).toContain('backup')
  for (const secret of [cipherPass, s3.secretAccessKey]) {
    expect(JSON.stringify(point)).not.toContain(secret)
    expect(seen).not.toContain(secret)
  }
  expect((await stat(source.configFile)).mode & 0o007).toBe(0)
})

test('a proof of it is green, and a window is seen', async () => {
  await inCopy(source, point, {}, async ({ target }) => {
    const assertions = await source.driver.verify(quiet(), point, target, { depth: 'restore', assertions: [] })
    expect(assertions.filter(({ ok }) => !ok)).toEqual([])
    expect(assertions.map(({ name }) => name)).toContain('table public.orders')
    expect(await readFile(join(target.dir, 'data/postgresql.auto.conf'), 'utf8')).not.toContain(cipherPass)
  })
  expect((await source.driver.window()).windows).toMatchObject([{ timeline: 1, from: { label: point.reference?.label } }])
})

test('another host restores it from the manifest, the age identity and the keys of the store', async () => {
  const driver = elsewhere({ 'repo1-s3-key': s3.accessKeyId, 'repo1-s3-key-secret': s3.secretAccessKey })
  await inCopy(source, point, { driver }, async ({ target }, rows) => {
    expect(await rows('select count(*)::int as n from orders')).toEqual([{ n: 500 }])
    const assertions = await driver.verify(quiet(), point, target, { depth: 'restore', assertions: [] })
    expect(assertions.filter(({ ok }) => !ok)).toEqual([])
  })
})

test('a wrong passphrase, a missing one and wrong keys of the store each say so', async () => {
  const keys = { 'repo1-s3-key': s3.accessKeyId, 'repo1-s3-key-secret': s3.secretAccessKey }
  const restore = (driver: PhysicalDriver, manifest = point) => inCopy(source, manifest, { driver }, async () => {})
  await expect(restore(elsewhere({ ...keys, 'repo1-cipher-pass': 'another' }))).rejects.toMatchObject({ code: 'KEY_WRONG' })
  await expect(restore(elsewhere(keys), { ...point, artifacts: [] })).rejects.toMatchObject({ code: 'KEY_MISSING' })
  await expect(restore(elsewhere({ ...keys, 'repo1-s3-key-secret': 'another' }))).rejects.toMatchObject({ code: 'STORE_DENIED' })
})
