/** Uploads of the folder store: parts as files in a hidden folder, joined and linked to the object's name at the end. */
import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { measure } from './crc.ts'
import { folderProblem, hasCode } from './folder-errors.ts'
import { writeSynced } from './durable.ts'
import { type Placer, UPLOADS } from './folder-place.ts'
import { compareKeys } from './keys.ts'
import { conflict, unlike, uploadGone } from './problems.ts'
import type { PendingUpload, Upload } from './store.ts'

const ABOUT = 'upload.json'
const ID = /^[0-9]{13}-[0-9a-f]{16}$/

export interface Uploads {
  start(key: string, target: string): Promise<Upload>
  pending(prefix: string): AsyncIterable<PendingUpload>
  abort(id: string): Promise<void>
}

export function createUploads(root: string, store: string, placer: Placer): Uploads {
  const aside = join(root, UPLOADS)
  const abort = async (id: string) => {
    if (ID.test(id)) await rm(join(aside, id), { recursive: true, force: true })
  }
  return {
    abort,

    async start(key, target) {
      const id = `${Date.now()}-${randomBytes(8).toString('hex')}`
      const dir = join(aside, id)
      try {
        await mkdir(dir, { recursive: true })
        await writeSynced(join(dir, ABOUT), Buffer.from(JSON.stringify({ key, started: new Date().toISOString() })), 0o640)
      } catch (error) {
        throw folderProblem(error, 'start an upload of', key)
      }
      return createUpload({ key, id, dir, target, store, placer, abort })
    },

    async *pending(prefix) {
      await placer.sweep()
      const names = await readdir(aside).catch((error: unknown) => {
        if (hasCode(error, 'ENOENT')) return []
        throw folderProblem(error, 'list uploads of', prefix)
      })
      const found = await Promise.all(names.filter((name) => ID.test(name)).map((id) => about(join(aside, id), id)))
      yield* found.flatMap((upload) => (upload?.key.startsWith(prefix) ? [upload] : [])).sort((a, b) => compareKeys(a.key, b.key))
    },
  }
}

async function about(dir: string, id: string): Promise<PendingUpload | undefined> {
  const text = await readFile(join(dir, ABOUT), 'utf8').catch(() => undefined)
  if (text) {
    const { key, started } = JSON.parse(text) as { key: string; started: string }
    return { key, id, started: new Date(started) }
  }
  // Cut short between the folder and its first file: whoever lists everything may still sweep it.
  const found = await stat(dir).catch(() => undefined)
  return found && { key: '', id, started: found.mtime }
}

interface UploadContext {
  key: string
  id: string
  dir: string
  target: string
  store: string
  placer: Placer
  abort(id: string): Promise<void>
}

function createUpload({ key, id, dir, target, store, placer, abort }: UploadContext): Upload {
  const parts = new Set<number>()
  const partFile = (number: number) => join(dir, `part-${number}`)
  const whole = join(dir, 'whole')
  let joined: { size: number; crc32: string } | undefined

  const failed = (error: unknown, action: string) =>
    hasCode(error, 'ENOENT') ? uploadGone(store, key, error) : folderProblem(error, action, key)

  return {
    key,
    id,

    async part(number, body, signal) {
      signal?.throwIfAborted()
      const draft = `${partFile(number)}.${randomBytes(4).toString('hex')}`
      try {
        await writeFile(draft, body)
        await rename(draft, partFile(number))
        parts.add(number)
      } catch (error) {
        throw failed(error, `store part ${number} of`)
      }
    },

    async complete(sent) {
      try {
        joined ??= await joinParts([...parts].sort((a, b) => a - b).map(partFile), whole)
        if (joined.size !== sent.size || joined.crc32 !== sent.crc32) throw unlike(key, joined, sent)
        if ((await placer.place(whole, target, { ifAbsent: true })) === 'exists') throw conflict(key)
        const { size, mtime } = await stat(target)
        await abort(id)
        return { key, size, modified: mtime }
      } catch (error) {
        throw failed(error, 'complete')
      }
    },

    abort: () => abort(id),
  }
}

/** Appends each part to the first and removes it, so that the disk never holds the object twice; measures what the disk gives back. */
async function joinParts(files: string[], whole: string): Promise<{ size: number; crc32: string }> {
  const [first, ...rest] = files
  if (first) await rename(first, whole)
  else await writeFile(whole, '')
  for (const file of rest) {
    await writeFile(whole, createReadStream(file), { flag: 'a' })
    await rm(file)
  }
  const handle = await open(whole, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
  return measure(createReadStream(whole))
}
