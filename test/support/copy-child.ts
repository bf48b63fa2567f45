/** A worker that copies a point between two folders, in a process of its own that a test kills: stands still at one object, and says so. */
import { copyPoint } from '../../src/catalog/copy.ts'
import { createVerifier } from '../../src/catalog/signing.ts'
import { createFolderStore } from '../../src/storage/folder.ts'

const { from, to, source, id, publicKeys, standsAt } = JSON.parse(process.argv[2] ?? '{}') as {
  from: string
  to: string
  source: string
  id: string
  publicKeys: Record<string, string>
  /** `upload` or `manifest`. */
  standsAt: string
}
const stand = () => {
  process.stdout.write('stands\n')
  return new Promise<never>(() => setInterval(() => {}, 1000))
}
const [here, there] = [await createFolderStore(from), await createFolderStore(to)]
const halting: typeof there = {
  ...there,
  async startUpload(key) {
    const upload = await there.startUpload(key)
    return standsAt === 'upload' ? { ...upload, complete: stand } : upload
  },
}
await copyPoint(
  { store: here, verifier: createVerifier(publicKeys) },
  halting,
  { source, id },
  { stillWanted: async () => (standsAt === 'manifest' ? stand() : undefined) },
)
