import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startS3 } from '../../scripts/toolbox/s3.ts'
import { startSsh } from '../../scripts/toolbox/ssh.ts'
import { createFolderStore } from '../../src/storage/folder.ts'
import { createMemoryStore } from '../../src/storage/memory.ts'
import { createRetryingStore } from '../../src/storage/retrying.ts'
import { createS3Store } from '../../src/storage/s3.ts'
import { createSshStore } from '../../src/storage/ssh.ts'
import { storeConformance, type StoreUnderTest } from './store.ts'

const memory = async (): Promise<StoreUnderTest> => ({ store: createMemoryStore(), stop: async () => {} })

async function folder(): Promise<StoreUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-folder-'))
  return { store: await createFolderStore(dir), stop: () => rm(dir, { recursive: true }) }
}

async function s3(): Promise<StoreUnderTest> {
  const server = await startS3()
  await server.createBucket('backups')
  const { endpoint, caFile, accessKeyId, secretAccessKey } = server
  const store = createS3Store({
    bucket: 'backups',
    region: 'us-east-1',
    endpoint,
    caFile,
    prefix: 'some/prefix',
    credentials: { accessKeyId, secretAccessKey },
  })
  return { store, stop: server.stop }
}

async function ssh(): Promise<StoreUnderTest> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-far-'))
  const { stop, pid: _, ...server } = await startSsh()
  const store = createSshStore({ type: 'ssh', path, ...server })
  return { store, stop: async () => stop().finally(() => rm(path, { recursive: true })) }
}

storeConformance('memory', memory, { keepsChecksum: true })
storeConformance('folder', folder, { keepsChecksum: false })
storeConformance('s3 over TLS', s3, { keepsChecksum: true })
// A session for each write: its listing has no pages.
storeConformance('ssh', ssh, { keepsChecksum: false, many: 120 })
storeConformance(
  'memory with retries',
  async () => {
    const { store, stop } = await memory()
    return { store: createRetryingStore(store), stop }
  },
  { keepsChecksum: true },
)
