/** Whether a backup of this store can succeed, before it is begun. Changes nothing. */
import { mkdtemp, rmdir, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { DriverContext, Preflight } from '../driver.ts'
import type { RocksdbSourceConfig } from './config.ts'
import { bytesOfAll, filesOf } from './files.ts'
import { columnFamiliesOf, type Ldb, ldbVersion, OWN_PROGRAM } from './ldb.ts'
import { exists, statOf } from './places.ts'
import { storeVersion } from './store-version.ts'

type Finding = Preflight['findings'][number]

export async function preflight(config: RocksdbSourceConfig, { signal, onProgress }: DriverContext): Promise<Preflight> {
  onProgress({ phase: 'preflight' })
  const { path, programs } = config
  const version = await ldbVersion({ program: programs.ldb, signal })
  if (!(await exists(path)))
    throw new HoldfastError('SOURCE_UNREACHABLE', `there is no folder ${path} on this worker`, {
      object: path,
      next: 'correct path or host of the source; where the store is lost: holdfast restore <source> --live --no-safety-backup',
    })
  const own = await storeVersion(config, signal)
  return {
    versions: { ...own.versions, ldb: version },
    estimateBytes: await bytesNow(path),
    findings: [await opens({ program: programs.ldb, db: path, signal }, config), ...(await placeFindings(config)), ...own.findings],
  }
}

/** A file that the store removes at this very moment makes no difference. */
async function bytesNow(path: string): Promise<number> {
  return bytesOfAll(await filesOf(path).catch(() => filesOf(path)))
}

async function opens(on: Ldb, { columnFamilies }: RocksdbSourceConfig): Promise<Finding> {
  const name = 'column families'
  try {
    const found = await columnFamiliesOf(on)
    const lacking = columnFamilies.filter((family) => !found.includes(family))
    const detail = lacking.length === 0 ? found.join(', ') : `there is no ${lacking.join(', ')}; there is ${found.join(', ')}`
    return { name, ok: lacking.length === 0, required: true, detail, next: 'correct columnFamilies or path of the source' }
  } catch (error) {
    if (on.signal?.aborted) throw error
    const said = error instanceof HoldfastError ? error.details['said'] : undefined
    // Not required: a store that nobody can open any more is copied as it is before a restore replaces it.
    return { name, ok: false, required: false, detail: `ldb cannot read them: ${said ?? messageOf(error)}`, next: OWN_PROGRAM }
  }
}

async function placeFindings({ path, checkpointDir, checkpoint }: RocksdbSourceConfig): Promise<Finding[]> {
  const place = checkpointDir ?? dirname(path)
  const [of, there] = await Promise.all([statOf(path), statOf(place)])
  if (!there?.isDirectory())
    return [
      {
        name: 'checkpoint folder',
        ok: false,
        required: true,
        detail: `there is no folder ${place}`,
        next: `make it: mkdir -m 700 ${place}`,
      },
    ]
  const writable = await mayWrite(place)
  const links = of?.dev === there.dev
  const { bavail, bsize } = await statfs(place)
  return [
    {
      name: 'checkpoint folder',
      ok: writable,
      required: true,
      detail: `${place} ${writable ? 'can' : 'cannot'} be written`,
      next: 'give the worker the right to, or choose another checkpointDir',
    },
    {
      name: 'hard links',
      ok: links || checkpoint !== undefined,
      required: false,
      detail: links
        ? `${place} is on the file system of the store`
        : `${place} is on another file system, with ${bavail * bsize} bytes free: a checkpoint copies everything`,
      next: 'choose a checkpointDir on the file system of the store',
    },
  ]
}

async function mayWrite(folder: string): Promise<boolean> {
  return mkdtemp(join(folder, '.holdfast-may-write-')).then(
    (made) => rmdir(made).then(() => true),
    () => false,
  )
}
