import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type S3Server, startS3 } from '../../../scripts/toolbox/s3.ts'
import { createSink } from '../../../src/pipeline/capture.ts'
import { createSource } from '../../../src/pipeline/read.ts'
import { readBack } from '../../../src/pipeline/read-back.ts'
import { run } from '../../../src/process/run.ts'
import { createRetryingStore } from '../../../src/storage/retrying.ts'
import { createS3Store } from '../../../src/storage/s3.ts'
import type { Store } from '../../../src/storage/store.ts'
import { type Identity, makeIdentity } from '../../support/age.ts'

let server: S3Server
let store: Store
let dir: string
let identity: Identity
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-s3-pipeline-'))
  identity = await makeIdentity(dir)
  server = await startS3()
  await server.createBucket('backups')
  const { endpoint, caFile, accessKeyId, secretAccessKey } = server
  store = createRetryingStore(
    createS3Store({
      bucket: 'backups',
      region: 'us-east-1',
      endpoint,
      caFile,
      prefix: 'team',
      uploads: 4,
      credentials: { accessKeyId, secretAccessKey },
    }),
  )
})
afterAll(async () => {
  store?.close()
  await server?.stop()
  await rm(dir, { recursive: true, force: true })
})

const sink = (signal?: AbortSignal) =>
  createSink({ store, prefix: 'holdfast/v1/orders/x/data/', attempt: 1, recipients: [identity.recipient], ...(signal ? { signal } : {}) })
const part = (name: string, script: string) => ({
  part: name,
  role: name,
  required: true,
  stages: [{ program: 'sh', args: ['-c', script] }],
})

async function left(): Promise<{ objects: string[]; uploads: string[] }> {
  const objects: string[] = []
  const uploads: string[] = []
  for await (const { key } of store.list('holdfast/')) objects.push(key)
  for await (const { key } of store.pendingUploads('holdfast/')) uploads.push(key)
  return { objects, uploads }
}

it('a dump that dies after many parts leaves neither object nor upload in the bucket', async () => {
  await expect(sink().store(part('dying', 'head -c 40M /dev/urandom; kill -9 $$'))).rejects.toMatchObject({ code: 'PROCESS_FAILED' })
  expect(await left()).toEqual({ objects: [], uploads: [] })
})

it('a cancelled one neither', async () => {
  const cancel = new AbortController()
  const storing = createSink({
    store,
    prefix: 'holdfast/v1/orders/x/data/',
    attempt: 1,
    recipients: [identity.recipient],
    signal: cancel.signal,
    onProgress: () => cancel.abort(),
  }).store(part('cancelled', 'head -c 60M /dev/urandom; sleep 60'))
  await expect(storing).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(await left()).toEqual({ objects: [], uploads: [] })
})

it('what is stored in parts comes back whole, with the checksum that the store has computed', async () => {
  // The same noise each time.
  const script = `head -c 30M /dev/zero | openssl enc -aes-128-ctr -K ${'0'.repeat(32)} -iv ${'0'.repeat(32)}`
  const artifact = await sink().store(part('numbers', script))
  expect(artifact.storedBytes).toBeGreaterThan(16 * 1024 * 1024)
  expect(artifact.storeChecksum?.value).toBe((await store.head(artifact.key))?.crc32)
  const plain = (await run({ program: 'sh', args: ['-c', `${script} | wc -c`] })).stdout
  expect((await readBack(store, artifact, { identityFile: identity.file })).plainBytes).toBe(Number(plain))
  await createSource({ store, identityFile: identity.file }).feed(artifact, {
    program: 'sh',
    args: ['-c', `test "$(md5sum)" = "$(${script} | md5sum)"`],
  })
  const small = await sink().storeBytes({ part: 'small', role: 'small', required: true, bytes: Buffer.from('x') })
  expect(small.storeChecksum?.value).toBe((await store.head(small.key))?.crc32)
})
