/** A source with two folders for its points, and the real activities that copy, look, keep and bring back. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSetActivities } from '../../../activities/sets.ts'
import { parseConfig } from '../../../src/config/load.ts'
import type { SetRecord } from '../../../src/core/sets.ts'
import type { Manifest } from '../../../src/core/records.ts'
import { createFolderStore } from '../../../src/storage/folder.ts'
import { catalogOn, manifestOf, putArtifact } from '../catalog.ts'
import { pointsSource } from './points.ts'
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
  const { fakes, services, restored, log } = pointsSource({
    config,
    store: (repository) => createFolderStore(pathOf(repository as Repository)),
    catalog: (repository) => catalog(repository as Repository),
    scratchRoot: () => join(dir, 'scratch'),
  })
  return {
    fakes,
    restored,
    log,
    pathOf,
    findSet: () => createSetActivities(services).findSet({ set: 'all' }),
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
