/**
 * A store in a folder of a file system. An object is written aside, synced, and linked to its name: the link fails where
 * the name is taken, so nothing is ever overwritten by accident and no reader sees half of it.
 */
import { createReadStream } from 'node:fs'
import { open, readdir, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { folderProblem, hasCode } from './folder-errors.ts'
import { createPlacer, UPLOADS } from './folder-place.ts'
import { createUploads } from './folder-upload.ts'
import { checkKey, compareKeys } from './keys.ts'
import { notFound } from './problems.ts'
import type { ObjectInfo, Store } from './store.ts'

/** Opens the folder, which must exist: a repository on a disk that is not mounted must not begin anew beside it. */
export async function createFolderStore(path: string): Promise<Store> {
  const root = resolve(path)
  const name = `folder:${root}`
  await stat(root).catch((error: unknown) => {
    throw folderProblem(error, 'open', root, 'create the folder, or mount the disk that holds it')
  })
  const placer = createPlacer(root)
  const uploads = createUploads(root, name, placer)
  const pathOf = (key: string) => {
    checkKey(key)
    return join(root, key)
  }

  const head: Store['head'] = async (key) => {
    try {
      const found = await stat(pathOf(key))
      return found.isFile() ? { key, size: found.size, modified: found.mtime } : undefined
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw folderProblem(error, 'read', key)
    }
  }

  return {
    name,
    minPartBytes: 1,
    head,
    list: (prefix) => walk(root, prefix),

    async get(key, { signal, start = 0 } = {}) {
      const file = await open(pathOf(key)).catch((error: unknown) => {
        throw hasCode(error, 'ENOENT', 'ENOTDIR') ? notFound(name, key, error) : folderProblem(error, 'read', key)
      })
      if ((await file.stat()).isFile()) return createReadStream('', { fd: file, start, signal, highWaterMark: 256 * 1024 })
      await file.close()
      throw notFound(name, key)
    },

    async put(key, body, { ifAbsent }) {
      const target = pathOf(key)
      return placer.write(target, body, { ifAbsent }).catch((error: unknown) => {
        throw folderProblem(error, 'write', key)
      })
    },

    startUpload: async (key) => uploads.start(key, pathOf(key)),
    pendingUploads: (prefix) => uploads.pending(prefix),
    abortUpload: ({ id }) => uploads.abort(id),

    async delete(key) {
      const target = pathOf(key)
      try {
        await rm(target)
      } catch (error) {
        if (hasCode(error, 'ENOENT', 'ENOTDIR')) return 'absent'
        throw folderProblem(error, 'delete', key)
      }
      await removeEmpty(root, dirname(target))
      return 'deleted'
    },

    close() {},
  }
}

/** Files below the prefix in key order: a folder sorts as its name with the slash. */
async function* walk(root: string, prefix: string): AsyncIterable<ObjectInfo> {
  const below = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  yield* walkFolder(root, below, prefix)
}

async function* walkFolder(root: string, below: string, prefix: string): AsyncIterable<ObjectInfo> {
  for (const { key, folder } of await entries(root, below)) {
    if (!key.startsWith(prefix) && !(folder && prefix.startsWith(key))) continue
    if (folder) {
      yield* walkFolder(root, key, prefix)
      continue
    }
    const found = await stat(join(root, key)).catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return undefined
      throw folderProblem(error, 'list', key)
    })
    if (found) yield { key, size: found.size, modified: found.mtime }
  }
}

async function entries(root: string, below: string): Promise<{ key: string; folder: boolean }[]> {
  try {
    const found = await readdir(join(root, below), { withFileTypes: true })
    return found
      .filter((entry) => (entry.isDirectory() || entry.isFile()) && !(below === '' && entry.name === UPLOADS))
      .map((entry) => ({ key: `${below}${entry.name}${entry.isDirectory() ? '/' : ''}`, folder: entry.isDirectory() }))
      .sort((a, b) => compareKeys(a.key, b.key))
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return []
    throw folderProblem(error, 'list', below)
  }
}

async function removeEmpty(root: string, dir: string): Promise<void> {
  for (let at = dir; at.startsWith(`${root}/`); at = dirname(at)) {
    try {
      await rmdir(at)
    } catch (error) {
      if (hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) return
      throw folderProblem(error, 'delete', at)
    }
  }
}
