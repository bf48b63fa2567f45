/** A source whose points are in a bucket with storage classes, and the real activities that move, thaw, look and bring back. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProofActivities } from '../../../activities/proof.ts'
import { createRecoverActivities } from '../../../activities/recover.ts'
import { createRestoreActivities } from '../../../activities/restore.ts'
import { createRetentionActivities } from '../../../activities/retention.ts'
import type { RepositoryDriver, Services } from '../../../activities/services.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { newestFirst } from '../../../src/core/points.ts'
import type { Manifest } from '../../../src/core/records.ts'
import type { Store } from '../../../src/storage/store.ts'
import type { ArchivingS3 } from '../archived.ts'
import { catalogOn, manifestOf, putArtifact } from '../catalog.ts'
import { failing } from './failing.ts'
import { sourceFakes } from './source.ts'
import type { Fakes } from './stage.ts'

export interface ArchivedSource {
  fakes: Fakes
  bucket: string
  store: Store
  catalog: ReturnType<typeof catalogOn>
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
  options?: { versions: boolean },
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
encryption: { recipients: [age1abc] }
signing: { keyId: a, publicKeys: { a: QQ== } }
sources: { orders: { driver: files, root: /srv/orders, repository: cold, retention: { keepLast: 100 } } }
`,
    'holdfast.yaml',
  )
  const catalog = catalogOn(store)
  const restored: string[] = []
  const driver: Partial<RepositoryDriver> = {
    kind: 'files',
    restore: async (_, { artifacts }, source, { dir, to }) => {
      for (const artifact of artifacts) restored.push(String(Buffer.concat(await (await source.read(artifact)).toArray())))
      const stoppedAt = to && { time: to.time ?? '', paused: false }
      return { target: { kind: 'scratch', dir, connection: dir, database: 'orders' }, bytes: 1, ...(stoppedAt && { stoppedAt }) }
    },
    plan: async ({ time = '' }, manifests) => {
      const { id } = manifests.filter(({ createdAt }) => createdAt <= time).sort(newestFirst)[0] as Manifest
      return { label: id, timeline: 1, pointId: id }
    },
    verify: async () => [{ name: 'files', ok: true, expected: '1', actual: '1' }],
    destroy: async () => {},
  }
  const services: Partial<Services> = {
    config,
    store: async () => store,
    catalog: async () => catalog,
    repositoryDriver: async () => driver as RepositoryDriver,
    limits: () => ({}),
    scratchRoot: () => scratch,
  }
  const wired = services as Services
  const real = {
    ...createProofActivities(wired),
    ...createRetentionActivities(wired),
    ...createRestoreActivities(wired),
    ...createRecoverActivities(wired),
  }
  return {
    fakes: sourceFakes({ ...failing(real as Fakes), listSources: async () => ['orders'] }),
    bucket,
    store,
    catalog,
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
