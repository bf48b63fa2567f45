/** A source whose points are in a bucket with storage classes, and the real activities that move, thaw, look and bring back. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseConfig } from '../../../src/config/load.ts'
import type { Manifest } from '../../../src/core/records.ts'
import { createFolderStore } from '../../../src/storage/folder.ts'
import type { Store } from '../../../src/storage/store.ts'
import type { ArchivingS3 } from '../archived.ts'
import { catalogOn, manifestOf, putArtifact } from '../catalog.ts'
import { pointsSource } from './points.ts'
import type { Fakes } from './stage.ts'

export interface ArchivedSource {
  fakes: Fakes
  bucket: string
  store: Store
  catalog: ReturnType<typeof catalogOn>
  /** Of the copies. */
  copied: ReturnType<typeof catalogOn>
  take(id: string, more?: Partial<Manifest>): Promise<Manifest>
  /** Class and thaw of each artifact of a point. */
  classes(id: string): Promise<(string | undefined)[]>
  /** What a restore read. */
  readonly restored: string[]
  close(): Promise<void>
}

/** `transitions` as in holdfast.yaml. */
export async function archivedSource(
  s3: ArchivingS3,
  bucket: string,
  transitions: string,
  { copies = [], ...options }: { versions?: boolean; copies?: string[] } = {},
): Promise<ArchivedSource> {
  await s3.createBucket(bucket, options)
  const store = s3.open(bucket)
  const scratch = await mkdtemp(join(tmpdir(), 'hf-archived-'))
  const config = parseConfig(
    `
repositories:
  cold:
    type: s3
    bucket: ${bucket}
    transitions: ${transitions}
    thaw: { look: 1s }
  dr: { type: folder, path: ${scratch}/dr }
encryption: { recipients: [age1abc] }
signing: { keyId: a, publicKeys: { a: QQ== } }
sources: { orders: { driver: files, root: /srv/orders, repository: cold, copies: [${copies.join(', ')}], retention: { keepLast: 100 } } }
`,
    'holdfast.yaml',
  )
  await mkdir(join(scratch, 'dr'))
  const dr = await createFolderStore(join(scratch, 'dr'))
  const [catalog, copied] = [catalogOn(store), catalogOn(dr)]
  const { fakes, restored } = pointsSource({
    config,
    store: async (repository) => (repository === 'dr' ? dr : store),
    catalog: async (repository) => (repository === 'dr' ? copied : catalog),
    scratchRoot: () => scratch,
  })
  return {
    fakes,
    bucket,
    store,
    catalog,
    copied,
    restored,
    async close() {
      store.close()
      await rm(scratch, { recursive: true, force: true })
    },
    async take(id, more = {}) {
      const parts = ['files', 'more'].map(async (part) => ({
        ...(await putArtifact(store, 'orders', id, part, Buffer.from(`${part} of ${id}`))),
        compression: 'none' as const,
        encryption: 'none' as const,
      }))
      const manifest = manifestOf('orders', id, await Promise.all(parts), { driver: 'files', ...more })
      await catalog.publishManifest(manifest)
      return manifest
    },
    async classes(id) {
      const { manifest } = await catalog.readManifest('orders', id)
      return Promise.all(manifest.artifacts.map(async ({ key }) => (await store.head(key))?.storageClass))
    },
  }
}
