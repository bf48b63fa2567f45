/** A store that fails on demand: before the effect, after it (the reply is lost), or in the middle of a download. */
import { Readable } from 'node:stream'
import { HoldfastError } from '../../src/core/errors.ts'
import type { Store, Upload } from '../../src/storage/store.ts'

export type Operation = 'list' | 'head' | 'get' | 'put' | 'startUpload' | 'part' | 'complete' | 'pendingUploads' | 'abortUpload' | 'delete'
export type Fault = 'busy' | 'lost reply' | 'cut' | 'denied'

export interface FaultyStore extends Store {
  /** The next calls of the operation fail so, then all is well again. */
  failNext(operation: Operation, fault: Fault, times?: number): void
  /** Calls so far. */
  readonly calls: Record<Operation, number>
}

export function createFaultyStore(store: Store): FaultyStore {
  const faults = new Map<Operation, Fault[]>()
  const calls: Record<Operation, number> = {
    list: 0,
    head: 0,
    get: 0,
    put: 0,
    startUpload: 0,
    part: 0,
    complete: 0,
    pendingUploads: 0,
    abortUpload: 0,
    delete: 0,
  }

  const take = (operation: Operation): Fault | undefined => {
    calls[operation]++
    return faults.get(operation)?.shift()
  }
  const around = async <T>(operation: Operation, key: string, call: () => Promise<T>): Promise<T> => {
    const fault = take(operation)
    if (fault === 'busy') throw unreachable('503 SlowDown', key)
    if (fault === 'denied') throw new HoldfastError('STORE_DENIED', `403 AccessDenied: ${key}`, { object: key })
    const result = await call()
    if (fault === 'lost reply') throw unreachable('the connection ended before the reply', key)
    return result
  }
  const cutShort = async function* <T>(operation: Operation, key: string, items: AsyncIterable<T>): AsyncIterable<T> {
    const fault = take(operation)
    if (fault === 'busy') throw unreachable('503 SlowDown', key)
    let given = 0
    for await (const item of items) {
      if (fault === 'cut' && ++given > 1) throw unreachable('the connection ended in the middle', key)
      yield item
    }
  }
  const uploadOf = (upload: Upload): Upload => ({
    key: upload.key,
    id: upload.id,
    part: (number, body, signal) => around('part', upload.key, () => upload.part(number, body, signal)),
    complete: (whole) => around('complete', upload.key, () => upload.complete(whole)),
    abort: () => around('abortUpload', upload.key, () => upload.abort()),
  })

  return {
    name: store.name,
    minPartBytes: store.minPartBytes,
    calls,
    failNext: (operation, fault, times = 1) => {
      faults.set(operation, [...(faults.get(operation) ?? []), ...Array.from({ length: times }, () => fault)])
    },
    list: (prefix) => cutShort('list', prefix, store.list(prefix)),
    pendingUploads: (prefix) => cutShort('pendingUploads', prefix, store.pendingUploads(prefix)),
    head: (key) => around('head', key, () => store.head(key)),
    get: async (key, options) => {
      const fault = take('get')
      if (fault === 'busy') throw unreachable('503 SlowDown', key)
      if (fault === 'denied') throw new HoldfastError('STORE_DENIED', `403 AccessDenied: ${key}`, { object: key })
      const stream = await store.get(key, options)
      return fault === 'cut' ? Readable.from(halfOf(stream, key), { objectMode: false }) : stream
    },
    put: (key, body, options) => around('put', key, () => store.put(key, body, options)),
    startUpload: (key) => around('startUpload', key, async () => uploadOf(await store.startUpload(key))),
    abortUpload: (upload) => around('abortUpload', upload.key, () => store.abortUpload(upload)),
    delete: (key) => around('delete', key, () => store.delete(key)),
    close: () => store.close(),
  }
}

async function* halfOf(stream: Readable, key: string): AsyncIterable<Buffer> {
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    yield chunk.subarray(0, Math.ceil(chunk.length / 2))
    throw unreachable('the connection ended in the middle', key)
  }
}

function unreachable(message: string, key: string): HoldfastError {
  return new HoldfastError('STORE_UNREACHABLE', message, { object: key })
}
