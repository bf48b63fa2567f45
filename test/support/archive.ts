/** An archive with keys of its own, and files to put into it. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '../../src/storage/store.ts'
import type { WritingArchive } from '../../src/wal/push.ts'
import { type Identity, makeIdentity } from './age.ts'
import { signer, verifier } from './catalog.ts'

export const MIB = 1024 * 1024

export interface ArchiveUnderTest {
  dir: string
  identity: Identity
  /** The archive, in this store; `name` is `shop` where nothing else is said. */
  on(store: Store, name?: string): WritingArchive & { identityFile: string }
  /** A file of that name: one of its own folder, with these bytes or such of a segment. */
  file(name: string, body?: Buffer | string): Promise<string>
  destroy(): Promise<void>
}

/** Quick to pack, and not two alike. */
export const segmentBytes = (size = MIB): Buffer => Buffer.concat([randomBytes(4096), Buffer.alloc(size - 4096)])

export async function createArchive(): Promise<ArchiveUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-wal-'))
  const identity = await makeIdentity(dir)
  return {
    dir,
    identity,
    on: (store, archive = 'shop') => ({
      archive,
      store,
      signer,
      verifier,
      recipients: [identity.recipient],
      compressionLevel: 3,
      identityFile: identity.file,
    }),
    async file(name, body = segmentBytes()) {
      const path = join(await mkdtemp(join(dir, 'file-')), name)
      await writeFile(path, body)
      return path
    },
    destroy: () => rm(dir, { recursive: true, force: true }),
  }
}
