/** A source with two folders for its points, and the real activities that copy, look, keep and bring back. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCopyActivities } from '../../../activities/copies.ts'
import { createProofActivities } from '../../../activities/proof.ts'
import { createRecoverActivities } from '../../../activities/recover.ts'
import { createRestoreActivities } from '../../../activities/restore.ts'
import { createRetentionActivities } from '../../../activities/retention.ts'
import type { RepositoryDriver, Services } from '../../../activities/services.ts'
import { createSetActivities } from '../../../activities/sets.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { HoldfastError } from '../../../src/core/errors.ts'
import { newestFirst } from '../../../src/core/points.ts'
import type { SetRecord } from '../../../src/core/sets.ts'
import type { Manifest } from '../../../src/core/records.ts'
import { createFolderStore } from '../../../src/storage/folder.ts'
import { catalogOn, manifestOf, putArtifact } from '../catalog.ts'
import { failing } from './failing.ts'
import { sourceFakes } from './source.ts'
import type { Fakes } from './stage.ts'

export type Repository = 'hot' | 'dr' | 'offsite'

export interface CopiedSource {
  fakes: Fakes
  /** Takes a point into the repository of the source. */
  take(id: string, more?: Partial<Manifest>): Promise<Manifest>
  /** What a restore read. */
  readonly restored: string[]
  /** What a recovery to a point in time reads beside the point. */
  readonly log: { there: boolean }
  idsIn(repository: Repository): Promise<string[]>
  catalog(repository: Repository): Promise<ReturnType<typeof catalogOn>>
  /** Changes a byte of an artifact. */
  damage(repository: Repository, key: string): Promise<void>
  pathOf(repository: Repository, key?: string): string
  findSet(): Promise<SetRecord>
  close(): Promise<void>
}

/** `lines` are of the source, as in holdfast.yaml. */
export async function copiedSource(...lines: string[]): Promise<CopiedSource> {
  const dir = await mkdtemp(join(tmpdir(), 'hf-copies-'))
  const pathOf = (repository: Repository, key = '') => join(dir, repository, key)
  for (const repository of ['hot', 'dr', 'offsite'] as const) await mkdir(pathOf(repository))
  const config = parseConfig(
    `
repositories: { hot: { type: folder, path: ${dir}/hot }, dr: { type: folder, path: ${dir}/dr }, offsite: { type: folder, path: ${dir}/offsite } }
encryption: { recipients: [age1abc] }
signing: { keyId: a, publicKeys: { a: QQ== } }
sources:
  orders:
    driver: files
    root: /srv/orders
    repository: hot
${lines.map((line) => `    ${line}`).join('\n')}
sets: { all: { sources: [orders] } }
`,
    'holdfast.yaml',
  )
  const catalog = async (repository: Repository) => catalogOn(await createFolderStore(pathOf(repository)))
  const restored: string[] = []
  const log = { there: true }
  const driver: Partial<RepositoryDriver> = {
    kind: 'files',
    restore: async (_, { artifacts }, source, { dir: target, to }) => {
      for (const artifact of artifacts) restored.push(String(Buffer.concat(await (await source.read(artifact)).toArray())))
      const stoppedAt = to && { time: to.time ?? '', paused: false }
      return { target: { kind: 'scratch', dir: target, connection: target, database: 'orders' }, bytes: 1, ...(stoppedAt && { stoppedAt }) }
    },
    plan: async ({ time = '' }, manifests) => {
      if (!log.there) throw new HoldfastError('NOT_FOUND', 'there is no folder /srv/log')
      const base = manifests.filter(({ createdAt }) => createdAt <= time).sort(newestFirst)[0]
      if (!base) throw new HoldfastError('TARGET_OUT_OF_RANGE', `no point is as old as ${time}`)
      return { label: base.id, timeline: 1, pointId: base.id }
    },
    verify: async () => [{ name: 'files', ok: true, expected: '1', actual: '1' }],
    destroy: async () => {},
  }
  const services: Partial<Services> = {
    config,
    store: (repository) => createFolderStore(pathOf(repository as Repository)),
    catalog: (repository) => catalog(repository as Repository),
    repositoryDriver: async () => driver as RepositoryDriver,
    limits: () => ({}),
    scratchRoot: () => join(dir, 'scratch'),
  }
  const wired = services as Services
  const real = {
    ...createCopyActivities(wired),
    ...createProofActivities(wired),
    ...createRetentionActivities(wired),
    ...createRestoreActivities(wired),
    ...createRecoverActivities(wired),
  }
  return {
    fakes: sourceFakes({ ...failing(real as Fakes), listSources: async () => ['orders'] }),
    restored,
    log,
    pathOf,
    findSet: () => createSetActivities(wired).findSet({ set: 'all' }),
    catalog,
    async take(id, more = {}) {
      const store = await createFolderStore(pathOf('hot'))
      const body = Buffer.from(`files of ${id}`)
      const stored = await putArtifact(store, 'orders', id, 'files', body)
      const artifact = { ...stored, plainBytes: body.length, compression: 'none', encryption: 'none' } as const
      const manifest = manifestOf('orders', id, [artifact], { driver: 'files', ...more })
      await (await catalog('hot')).publishManifest(manifest)
      return manifest
    },
    idsIn: async (repository) => (await (await catalog(repository)).listPoints('orders')).map(({ id }) => id),
    async damage(repository, key) {
      const bytes = await readFile(pathOf(repository, key))
      bytes[0] = (bytes[0] ?? 0) ^ 1
      await writeFile(pathOf(repository, key), bytes)
    },
    close: () => rm(dir, { recursive: true, force: true }),
  }
}
