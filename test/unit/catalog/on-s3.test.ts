/** The catalogue on a real S3 server over TLS, opened as a config opens it. */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type S3Server, startS3 } from '../../../scripts/toolbox/s3.ts'
import { manifestKey } from '../../../src/catalog/keys.ts'
import { pointId } from '../../../src/core/ids.ts'
import { openStore } from '../../../src/storage/open.ts'
import { readAll, type Store } from '../../../src/storage/store.ts'
import { addPoint, catalogOn, keysIn, proofOf } from '../../support/catalog.ts'

let server: S3Server
let store: Store
beforeAll(async () => {
  server = await startS3()
  await server.createBucket('backups')
  const secretFile = join(dirname(server.caFile ?? ''), 'secret')
  await writeFile(secretFile, `${server.secretAccessKey}\n`)
  store = await openStore({
    type: 's3',
    bucket: 'backups',
    region: 'us-east-1',
    endpoint: server.endpoint,
    prefix: 'team/',
    caFile: server.caFile,
    uploads: 4,
    accessKeyId: server.accessKeyId,
    secretAccessKey: `\${file:${secretFile}}`,
  })
})
afterAll(async () => {
  store?.close()
  await server?.stop()
})

it('a point goes its whole way: reserved, published, listed, proved, held, deleted', async () => {
  const catalog = catalogOn(store)
  const ids = Array.from({ length: 20 }, (_, number) => pointId(new Date(Date.UTC(2025, 0, 1, number)), 'scheduled'))
  for (const id of ids) await addPoint(store, id, {}, catalog)
  expect((await catalog.listPoints('orders')).map(({ id }) => id)).toEqual(ids)

  const [id = ''] = ids
  const { manifest, digest } = await catalog.readManifest('orders', id)
  await catalog.appendProof(proofOf(manifest, digest))
  await catalog.addHold({
    format: 'holdfast/v1',
    type: 'hold',
    source: 'orders',
    id,
    held: true,
    actor: 'ann',
    reason: 'audit',
    at: '2026-01-01T00:00:00Z',
  })
  expect((await catalog.listPoints())[0]).toMatchObject({ id, good: true, held: true })
  expect((await catalog.rebuildIndex()).points).toEqual(await catalog.listPoints())
  await expect(catalog.deletePoint('orders', id)).rejects.toMatchObject({ code: 'POINT_PROTECTED' })

  const key = manifestKey('orders', ids[1] ?? '')
  await store.put(key, Buffer.from(String(await readAll(store, key)).replace('"sizeBytes":100', '"sizeBytes":10')), { ifAbsent: false })
  expect(await catalog.survey()).toMatchObject({ problems: [{ key, code: 'SIGNATURE_INVALID' }] })

  expect(await catalog.deletePoint('orders', ids[2] ?? '')).toMatchObject({ locked: [] })
  expect((await catalog.listPoints()).map((point) => point.id)).toEqual([id, ...ids.slice(3)])
  expect(await keysIn(store, `holdfast/v1/orders/${ids[2]}/`)).toEqual([])

  const numbers = await Promise.all(
    [1, 2, 3].map((run) =>
      catalog.appendEvidence('worker', {
        at: '2026-01-01T00:00:00Z',
        workflow: 'backup',
        workflowId: 'w',
        runId: `r${run}`,
        outcome: 'ok',
        report: run,
      }),
    ),
  )
  expect(numbers.sort()).toEqual([1, 2, 3])
  expect(await catalog.verifyEvidence('worker')).toMatchObject({ records: 3, problems: [] })
})
