/** A store in memory that keeps every promise of store.ts; the tests of the layers above run on it. */
import { Readable } from 'node:stream'
import { crc32Of } from './crc.ts'
import { checkKey, compareKeys } from './keys.ts'
import { conflict, notFound, uploadGone, unlike } from './problems.ts'
import type { ObjectInfo, PendingUpload, Store, Upload } from './store.ts'

interface Kept {
  body: Buffer
  modified: Date
  crc32: string
}
interface Pending {
  key: string
  started: Date
  parts: Map<number, Buffer>
}

export interface MemoryStore extends Store {
  /** Objects that delete answers `locked` for, as under object lock; tests add keys. */
  readonly locked: Set<string>
  /** Changes the bytes behind the store's back, as damage or an intruder would. */
  overwrite(key: string, body: Buffer): void
}

const CHUNK = 64 * 1024

export function createMemoryStore(options: { minPartBytes?: number; now?: () => Date } = {}): MemoryStore {
  const now = options.now ?? (() => new Date())
  const objects = new Map<string, Kept>()
  const uploads = new Map<string, Pending>()
  const locked = new Set<string>()
  let serial = 0

  const keep = (key: string, body: Buffer) => objects.set(key, { body, modified: now(), crc32: crc32Of(body) })
  const infoOf = (key: string, kept: Kept): ObjectInfo => ({ key, size: kept.body.length, modified: kept.modified, crc32: kept.crc32 })

  return {
    name: 'memory',
    minPartBytes: options.minPartBytes ?? 1,
    locked,
    overwrite: keep,

    async *list(prefix) {
      for (const key of [...objects.keys()].filter((name) => name.startsWith(prefix)).sort(compareKeys)) {
        const kept = objects.get(key)
        if (kept) yield { key, size: kept.body.length, modified: kept.modified }
      }
    },

    async head(key) {
      const kept = objects.get(key)
      return kept && infoOf(key, kept)
    },

    async get(key, { signal, start = 0 } = {}) {
      signal?.throwIfAborted()
      const kept = objects.get(key)
      if (!kept) throw notFound('memory', key)
      return Readable.from(chunksOf(kept.body, start), { objectMode: false, signal })
    },

    async put(key, body, { ifAbsent }) {
      checkKey(key)
      if (ifAbsent && objects.has(key)) return 'exists'
      keep(key, Buffer.from(body))
      return 'created'
    },

    async startUpload(key) {
      checkKey(key)
      const id = `upload-${++serial}`
      const pending: Pending = { key, started: now(), parts: new Map() }
      uploads.set(id, pending)
      return uploadInto(id, pending)
    },

    async *pendingUploads(prefix): AsyncIterable<PendingUpload> {
      const found = [...uploads].filter(([, { key }]) => key.startsWith(prefix)).sort(([, a], [, b]) => compareKeys(a.key, b.key))
      for (const [id, { key, started }] of found) yield { key, id, started }
    },

    async abortUpload({ id }) {
      uploads.delete(id)
    },

    async delete(key) {
      if (locked.has(key) && objects.has(key)) return 'locked'
      return objects.delete(key) ? 'deleted' : 'absent'
    },

    close() {},
  }

  function uploadInto(id: string, { key, parts }: Pending): Upload {
    const open = () => {
      if (!uploads.has(id)) throw uploadGone('memory', key)
    }
    return {
      key,
      id,
      async part(number, body, signal) {
        signal?.throwIfAborted()
        open()
        parts.set(number, Buffer.from(body))
      },
      async complete(whole) {
        open()
        if (objects.has(key)) throw conflict(key)
        const body = Buffer.concat([...parts].sort(([a], [b]) => a - b).map(([, part]) => part))
        if (body.length !== whole.size || crc32Of(body) !== whole.crc32)
          throw unlike(key, { size: body.length, crc32: crc32Of(body) }, whole)
        uploads.delete(id)
        keep(key, body)
        return infoOf(key, objects.get(key) as Kept)
      },
      async abort() {
        uploads.delete(id)
      },
    }
  }
}

function* chunksOf(body: Buffer, start: number): Iterable<Buffer> {
  for (let at = start; at < body.length; at += CHUNK) yield body.subarray(at, at + CHUNK)
}
