/** The raft cluster `pages` with its points in one folder, its log in another and copies elsewhere: all that its real driver needs but the cluster. */
import { join } from 'node:path'
import type { Services } from '../../activities/services.ts'
import { configSchema } from '../../src/config/schema.ts'
import { createDriver } from '../../src/drivers/raft-cluster/index.ts'
import { createFolderStore } from '../../src/storage/folder.ts'
import { openArchive } from '../../workers/open-archive.ts'
import { catalogOn, SIGNING } from './catalog.ts'

/** Folders, which a test makes: of its points, of its log, and two for copies. */
export const REPOSITORIES = ['hot', 'logs', 'dr', 'far'] as const

/** As in holdfast.yaml. */
export interface PagesLog {
  archives: Record<string, { repository: (typeof REPOSITORIES)[number]; keep?: string }>
  wal: { archive: string; earlier?: string[] }
}

export const pagesSource = (wal: PagesLog['wal'], copies: readonly unknown[] = []) => ({
  driver: 'raft-cluster',
  host: 'here',
  repository: 'hot',
  copies,
  nodes: { one: { url: 'http://127.0.0.1:1', dataDir: '/var/lib/pages' } },
  wal,
})

export function pagesServices(dir: string, { archives, wal }: PagesLog, copies: readonly unknown[]): Services {
  const config = configSchema.parse({
    repositories: Object.fromEntries(REPOSITORIES.map((name) => [name, { type: 'folder', path: join(dir, name) }])),
    encryption: { recipients: ['age1x'], check: false },
    signing: { keyId: SIGNING.keyId, publicKeys: { [SIGNING.keyId]: SIGNING.publicKey } },
    archives,
    sources: { pages: pagesSource(wal, copies) },
  })
  const store = (repository: string) => createFolderStore(join(dir, repository))
  return {
    config,
    store,
    catalog: async (repository: string) => catalogOn(await store(repository)),
    driver: async () => ({ preflight: async () => ({ findings: [] }) }),
    repositoryDriver: async (name: string) =>
      createDriver(config.sources[name] as never, { source: name, archive: (archive, options) => openArchive(config, archive, options) }),
    limits: () => ({}),
  } as unknown as Services
}
