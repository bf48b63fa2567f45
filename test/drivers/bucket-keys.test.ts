import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, DeleteObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Access, bucketContents, clientOf, put, SHOP_BUCKET } from '../../scripts/sources/bucket.ts'
import { type MotoServer, startMoto } from '../../scripts/toolbox/moto.ts'
import { pathOf } from '../../src/drivers/bucket/places.ts'
import { createSource } from '../../src/pipeline/read.ts'
import { contextFor, failures, nextRequest, openRepository, type Repository, takePoint } from '../conformance/driver.ts'
import { driverOn } from '../support/bucket.ts'

/** The stand-in keeps keys as they are; a server on a file system takes most of these for no keys. */
const KEYS = [
  'a',
  'a/b',
  'a//b',
  'a/',
  'trailing/slash/',
  'with space and +plus&more=%41',
  'Grüße/日本語/🙂.jpg',
  '\uffee after the emoji in UTF-16 and before it in UTF-8',
  '🙂 first in UTF-16, last in UTF-8',
  '"quoted"\\and\t<xml>',
  'dots/...',
  '-dash%2Fpercent',
  `long/${'k'.repeat(1019)}`,
  `segments/${'é'.repeat(150)}/x`,
]

let moto: MotoServer
let client: S3Client
let access: Access
let scratch: string
let repository: Repository
beforeAll(async () => {
  moto = await startMoto()
  access = { endpoint: moto.endpoint, caFile: undefined, accessKeyId: 'test', secretAccessKey: 'test' }
  client = clientOf(access)
  await client.send(new CreateBucketCommand({ Bucket: SHOP_BUCKET }))
  scratch = await mkdtemp(join(tmpdir(), 'holdfast-scratch-'))
  repository = await openRepository()
  for (const [number, key] of KEYS.entries())
    await put(client, key, { body: number % 3 === 0 ? '' : `body of ${key}`, metadata: { number: String(number) } })
}, 120_000)
afterAll(async () => {
  client?.destroy()
  await moto?.stop()
  for (const folder of [scratch, repository?.dir]) if (folder) await rm(folder, { recursive: true, force: true })
})

it('keys of any shape, and empty objects, are captured, each restored to a file of its own, and put back as they were', async () => {
  const driver = driverOn(access, {})
  const before = await bucketContents(client)
  const manifest = await takePoint(driver, repository, nextRequest())
  expect(manifest.fileCount).toBe(KEYS.length)
  const source = createSource({ store: repository.store, identityFile: repository.identity.file })
  const { target } = await driver.restore(contextFor(), manifest, source, { dir: join(scratch, 'keys') })
  expect(failures(await driver.verify(contextFor(), manifest, target, { depth: 'full', assertions: [] }))).toEqual([])
  expect(await readFile(join(target.connection, pathOf('a/b')), 'utf8')).toBe('body of a/b')

  for (const Key of KEYS.slice(0, 12)) await client.send(new DeleteObjectCommand({ Bucket: SHOP_BUCKET, Key }))
  await put(client, 'too many', { body: 'x' })
  const choice = {}
  const live = driver.live
  const confirm = (await live?.fingerprint()) ?? ''
  await live?.swap(manifest, confirm, undefined, { context: contextFor(), source, dir: join(scratch, 'swap'), choice })
  expect(await bucketContents(client)).toBe(before)
})

it('no key leaves the folder, and no two have the same file', () => {
  const keys = [
    ...KEYS,
    'two\nlines',
    '../../etc/passwd',
    '/absolute',
    '..',
    '.',
    'a/../b',
    'a%/b',
    'a%2F',
    '',
    'x/'.repeat(500),
    `${'k'.repeat(200)}/k`,
    'k'.repeat(201),
  ]
  const paths = keys.map(pathOf)
  expect(new Set(paths).size).toBe(keys.length)
  for (const path of paths) {
    expect(path.split('/')).not.toContain('..')
    expect(path.split('/')).not.toContain('')
    expect(Math.max(...path.split('/').map((name) => name.length))).toBeLessThan(256)
    // A file is no folder of another one.
    expect(paths.filter((other) => other.startsWith(`${path}/`))).toEqual([])
  }
})
