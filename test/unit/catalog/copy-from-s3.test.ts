/** From a real S3 server over TLS to a folder and back into another bucket: the checksums of one store, and none of the other. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type S3Server, startS3 } from '../../../scripts/toolbox/s3.ts'
import { copyPoint } from '../../../src/catalog/copy.ts'
import { createFolderStore } from '../../../src/storage/folder.ts'
import { createS3Store } from '../../../src/storage/s3.ts'
import { readAll, type Store } from '../../../src/storage/store.ts'
import { catalogOn, keysIn, manifestOf, putArtifact, verifier } from '../../support/catalog.ts'
import { createFaultyStore } from '../../support/faulty.ts'

const ID = '20260115_120000_manual'
/** Two parts of an upload. */
const LARGE = Buffer.alloc(20 * 1024 * 1024, 'large')

let server: S3Server
let dir: string
const opened: Store[] = []
beforeAll(async () => {
  server = await startS3()
  dir = await mkdtemp(join(tmpdir(), 'hf-copy-s3-'))
})
afterAll(async () => {
  for (const store of opened) store.close()
  await server?.stop()
  await rm(dir, { recursive: true, force: true })
})

async function bucket(name: string): Promise<Store> {
  await server.createBucket(name)
  const { accessKeyId, secretAccessKey, endpoint, caFile } = server
  const credentials = { accessKeyId, secretAccessKey }
  const store = createS3Store({ bucket: name, region: 'us-east-1', endpoint, prefix: '', credentials, ...(caFile && { caFile }) })
  opened.push(store)
  return store
}

const copy = (from: Store, to: Store) => copyPoint({ store: from, verifier }, to, { source: 'orders', id: ID })

it('a point goes from S3 to a folder and from there into another bucket, and stays what it was', async () => {
  const [hot, folder, dr] = [await bucket('backups-hot'), await createFolderStore(dir), await bucket('backups-dr')]
  const artifacts = [await putArtifact(hot, 'orders', ID, 'small'), await putArtifact(hot, 'orders', ID, 'large', LARGE)]
  await catalogOn(hot).publishManifest(manifestOf('orders', ID, artifacts))
  expect(await copy(hot, folder)).toMatchObject({ objects: 2, problems: [] })
  expect(await copy(folder, dr)).toMatchObject({ objects: 2, problems: [] })
  for (const store of [folder, dr]) {
    expect(await keysIn(store, 'holdfast/v1/orders/')).toEqual(await keysIn(hot, 'holdfast/v1/orders/'))
    for (const key of await keysIn(hot, 'holdfast/v1/orders/'))
      expect((await readAll(store, key)).equals(await readAll(hot, key))).toBe(true)
  }
  expect((await dr.head(artifacts[1]?.key ?? ''))?.crc32).toBe(artifacts[1]?.storeChecksum?.value)
})

it('what a killed try left in a bucket is believed by its checksum, and not read again', async () => {
  const [folder, late] = [await createFolderStore(dir), await bucket('backups-late')]
  const { artifacts } = (await catalogOn(folder).readManifest('orders', ID)).manifest
  for (const { key } of artifacts) await late.put(key, await readAll(folder, key), { ifAbsent: true })
  await late.put(artifacts[0]?.key ?? '', Buffer.alloc(artifacts[0]?.storedBytes ?? 0), { ifAbsent: false })
  const watched = createFaultyStore(late)
  expect(await copy(folder, watched)).toMatchObject({ objects: 1 })
  expect(watched.calls.get).toBe(0)
})
