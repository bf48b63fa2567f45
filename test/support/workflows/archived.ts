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

/** Two folders, and a bucket with an archive of its own. */
type Copies = 'dr' | 'offsite' | 'icy'

export interface ArchivedSource {
  fakes: Fakes
  bucket: string
  store: Store
  catalog: ReturnType<typeof catalogOn>
  /** Of the copies in dr. */
  copied: ReturnType<typeof catalogOn>
  idsIn(repository: 'cold' | Copies): Promise<string[]>
  take(id: string, more?: Partial<Manifest>): Promise<Manifest>
  /** Class and thaw of each artifact of a point. */
  classes(id: string): Promise<(string | undefined)[]>
  classesIn(repository: 'cold' | 'icy', id: string): Promise<(string | undefined)[]>
  /** What a restore read. */
  readonly restored: string[]
  close(): Promise<void>
}

/** `transitions` as in holdfast.yaml. */
export async function archivedSource(
  s3: ArchivingS3,
  bucket: string,
  transitions: string,
  { copies = [], ...options }: { versions?: boolean; copies?: Copies[] } = {},
): Promise<ArchivedSource> {
  await s3.createBucket(bucket, options)
  if (copies.includes('icy')) await s3.createBucket(`${bucket}-icy`)
  const [store, icy] = [s3.open(bucket), s3.open(`${bucket}-icy`)]
  const scratch = await mkdtemp(join(tmpdir(), 'hf-archived-'))
  const config = parseConfig(
    `
repositories:
  cold:
    type: s3
    bucket: ${bucket}
    transitions: ${transitions}
    thaw: { look: 1s }
  icy: { type: s3, bucket: ${bucket}-icy, transitions: ${transitions} }
  dr: { type: folder, path: ${scratch}/dr }
  offsite: { type: folder, path: ${scratch}/offsite }
encryption: { recipients: [age1abc] }
signing: { keyId: a, publicKeys: { a: QQ== } }
sources: { orders: { driver: files, root: /srv/orders, repository: cold, copies: [${copies.join(', ')}], retention: { keepLast: 100 } } }
`,
    'holdfast.yaml',
  )
  const folder = async (name: string) => {
    await mkdir(join(scratch, name))
    return createFolderStore(join(scratch, name))
  }
  const stores: Record<string, Store> = { cold: store, icy, dr: await folder('dr'), offsite: await folder('offsite') }
  const storeOf = (repository: string) => stores[repository] as Store
  const [catalog, copied] = [catalogOn(store), catalogOn(storeOf('dr'))]
  const { fakes, restored } = pointsSource({
    config,
    store: async (repository) => storeOf(repository),
    catalog: async (repository) => catalogOn(storeOf(repository)),
    scratchRoot: () => scratch,
  })
  const classesIn = async (repository: string, id: string) => {
    const { manifest } = await catalogOn(storeOf(repository)).readManifest('orders', id)
    return Promise.all(manifest.artifacts.map(async ({ key }) => (await storeOf(repository).head(key))?.storageClass))
  }
  return {
    fakes,
    bucket,
    store,
    catalog,
    copied,
    restored,
    idsIn: async (repository) => (await catalogOn(storeOf(repository)).listPoints('orders')).map(({ id }) => id),
    async close() {
      for (const one of [store, icy]) one.close()
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
    classes: (id) => classesIn('cold', id),
    classesIn,
  }
}
