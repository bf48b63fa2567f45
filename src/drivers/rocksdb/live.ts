/** A restore in the place of the store: beside it, compared, then swapped by two renames; the old one is kept beside. */
import { chown, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { requireConfirmed } from '../common/confirm.ts'
import type { ArtifactSource, DriverContext, LiveRestore, RestoreChoice } from '../driver.ts'
import type { RocksdbSourceConfig } from './config.ts'
import { filesOf } from './files.ts'
import { requireClosed } from './holders.ts'
import { statOf } from './places.ts'
import { fillFolder, requireSpace, settle } from './restore.ts'
import { putBack, swap } from './swap.ts'
import { folderAssertions } from './verify.ts'

export function createLive(config: RocksdbSourceConfig): LiveRestore {
  const { path, service, applications } = config
  return {
    fingerprint: () => fingerprintOf(path),
    async check(manifest, confirm, choice) {
      refuseElsewhere(choice)
      await requireStore(path, manifest, confirm)
      await requireSpace(dirname(path), manifest.sizeBytes)
      // Both are stopped later, right before it is swapped.
      if (!service && applications.length === 0)
        await requireClosed(path, 'end that program first, or give the source service.stop and service.start')
    },
    restoreAside: (context, manifest, source) => restoreAside(config, context, manifest, source),
    async swap(manifest, confirm, made, filling) {
      const signal = filling?.context.signal
      return swap(config, {
        confirm,
        made: made ?? '',
        confirmed: () => requireStore(path, manifest, confirm),
        ...(signal && { signal }),
      })
    },
    async removeAside(manifest) {
      await putBack(config)
      for (const folder of await asideFolders(path, manifest)) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Which folder this is beyond doubt, whatever is put under its name meanwhile. */
export async function fingerprintOf(path: string): Promise<string> {
  return `${path}:${(await statOf(path))?.ino ?? 'absent'}`
}

async function requireStore(path: string, manifest: Manifest, confirm: string): Promise<void> {
  const target = `the live store ${path} has`
  requireConfirmed(manifest, confirm, { fingerprint: await fingerprintOf(path), target, meaning: 'this is the store to replace' })
}

function refuseElsewhere(choice: RestoreChoice | undefined): void {
  if (choice?.into === undefined) return
  throw new HoldfastError('INPUT_INVALID', 'a restore to another path replaces nothing', {
    object: 'into',
    next: 'leave live and confirm out',
  })
}

async function restoreAside(
  config: RocksdbSourceConfig,
  context: DriverContext,
  manifest: Manifest,
  source: ArtifactSource,
): Promise<{ database: string; oid: string; bytes: number }> {
  const { path } = config
  await mkdir(dirname(path), { recursive: true })
  for (const folder of await asideFolders(path, manifest)) await rm(folder, { recursive: true, force: true })
  // A name of this try's own: an earlier one that was frozen and thaws goes on writing to a folder that has gone.
  const folder = `${asidePrefix(path, manifest)}${crypto.randomUUID().slice(0, 8)}`
  try {
    await fillFolder(folder, context, manifest, source)
    await requireEqual(config, context, manifest, folder)
    await giveAsBefore(path, folder)
    await settle(folder)
    return { database: path, oid: `${basename(folder)}/${(await stat(folder)).ino}`, bytes: manifest.sizeBytes }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

async function requireEqual(config: RocksdbSourceConfig, context: DriverContext, manifest: Manifest, folder: string): Promise<void> {
  const red = (await folderAssertions(config, context, manifest, folder, { depth: 'full' })).filter(({ ok }) => !ok)
  if (red.length === 0) return
  const said = red.map(({ name, expected, actual }) =>
    name === 'checksum'
      ? `Checksum mismatch for backup ${manifest.id}: expected ${expected}, got ${actual}`
      : `${name}: expected ${expected}, found ${actual}`,
  )
  throw new HoldfastError('VERIFY_FAILED', said.join('; '), {
    object: `${manifest.source}/${manifest.id}`,
    next: `holdfast verify ${manifest.source} ${manifest.id}; if that fails use a different recovery point, and check the disk for errors`,
  })
}

const asidePrefix = (path: string, { id }: Manifest): string => `${path}.restore-${id}-`

async function asideFolders(path: string, manifest: Manifest): Promise<string[]> {
  const prefix = basename(asidePrefix(path, manifest))
  const names = await readdir(dirname(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] as string[]
    throw error
  })
  return names.filter((name) => name.startsWith(prefix)).map((name) => join(dirname(path), name))
}

/** To the user that the store had: only root can give, and whoever else is that user restored it as that user. */
async function giveAsBefore(path: string, folder: string): Promise<void> {
  const before = await statOf(path)
  if (!before || process.getuid?.() !== 0) return
  for (const name of ['.', ...(await filesOf(folder)).map((file) => file.name)])
    await chown(join(folder, name), Number(before.uid), Number(before.gid))
}
