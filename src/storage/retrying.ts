/**
 * Retries what a store says may succeed later, with a clear end. Here also lives what only a second try can meet: the
 * first one succeeded and its reply was lost.
 */
import { Readable } from 'node:stream'
import { HoldfastError } from '../core/errors.ts'
import { measure } from './crc.ts'
import { type Classes, type ObjectInfo, readAll, type Store, type Upload } from './store.ts'
import { type BeginTries, createTries, type TryOptions } from './tries.ts'

export function createRetryingStore(store: Store, options: TryOptions = {}): Store {
  const begin = createTries(store.name, options)

  return {
    name: store.name,
    minPartBytes: store.minPartBytes,
    list: (prefix) =>
      goOn(
        begin,
        `list ${prefix}`,
        () => store.list(prefix),
        ({ key }) => key,
      ),
    pendingUploads: (prefix) =>
      goOn(
        begin,
        `list the uploads of ${prefix}`,
        () => store.pendingUploads(prefix),
        ({ id }) => id,
      ),
    head: (key) => attempt(begin, `look at ${key}`, () => store.head(key)),
    get: (key, get) => getOn(store, begin, key, get),

    put: (key, body, put) =>
      attempt(begin, `write ${key}`, async (number) => {
        const outcome = await store.put(key, body, put)
        return outcome === 'exists' && number > 1 && (await readAll(store, key)).equals(body) ? 'created' : outcome
      }),

    async startUpload(key) {
      return retryingUpload(store, begin, await attempt(begin, `start an upload of ${key}`, () => store.startUpload(key)))
    },

    abortUpload: (upload) => attempt(begin, `abort the upload of ${upload.key}`, () => store.abortUpload(upload)),

    delete: (key) =>
      attempt(begin, `delete ${key}`, async (number) => {
        const outcome = await store.delete(key)
        return outcome === 'absent' && number > 1 ? 'deleted' : outcome
      }),

    ...(store.classes && { classes: retryingClasses(store.classes, begin) }),
    close: () => store.close(),
  }
}

const retryingClasses = (classes: Classes, begin: BeginTries): Classes => ({
  moveTo: (key, storageClass, signal) =>
    attempt(begin, `move ${key} to ${storageClass}`, () => classes.moveTo(key, storageClass, signal), signal),
  thaw: (key, how) => attempt(begin, `thaw ${key}`, () => classes.thaw(key, how)),
})

async function attempt<T>(begin: BeginTries, what: string, call: (number: number) => Promise<T>, signal?: AbortSignal): Promise<T> {
  const tries = begin(what, signal)
  for (let number = 1; ; number++) {
    try {
      return await call(number)
    } catch (error) {
      await tries.failed(error)
    }
  }
}

/** A listing that begins anew after a failure and leaves out what it has given already. */
async function* goOn<T>(begin: BeginTries, what: string, open: () => AsyncIterable<T>, nameOf: (item: T) => string): AsyncIterable<T> {
  const tries = begin(what)
  const given = new Set<string>()
  for (;;) {
    try {
      for await (const item of open()) {
        if (given.has(nameOf(item))) continue
        tries.progressed()
        given.add(nameOf(item))
        yield item
      }
      return
    } catch (error) {
      await tries.failed(error)
    }
  }
}

/** A download that goes on where the connection was lost. */
async function getOn(
  store: Store,
  begin: BeginTries,
  key: string,
  { signal, start = 0 }: { signal?: AbortSignal; start?: number } = {},
): Promise<Readable> {
  let current = await attempt(begin, `read ${key}`, () => store.get(key, { signal, start }), signal)
  // Whoever reads it sees its error; one that comes before, as of a signal, must not end the process.
  current.on('error', () => {})
  let at = start

  async function* bytes(): AsyncIterable<Buffer> {
    const tries = begin(`read ${key}`, signal)
    for (let lost = false; ; lost = true) {
      try {
        if (lost) current = await store.get(key, { signal, start: at })
        for await (const chunk of current as AsyncIterable<Buffer>) {
          tries.progressed()
          at += chunk.length
          yield chunk
        }
        return
      } catch (error) {
        await tries.failed(error)
      }
    }
  }

  const stream = Readable.from(bytes(), { objectMode: false, signal, highWaterMark: 1024 * 1024 })
  // Without it a reader that leaves would wait for a connection that says nothing any more.
  stream.once('close', () => current.destroy())
  return stream
}

function retryingUpload(store: Store, begin: BeginTries, upload: Upload): Upload {
  const { key, id } = upload
  return {
    key,
    id,
    part: (number, body, signal) => attempt(begin, `write part ${number} of ${key}`, () => upload.part(number, body, signal), signal),
    complete: (whole) =>
      attempt(begin, `complete the upload of ${key}`, async (number) => {
        try {
          return await upload.complete(whole)
        } catch (error) {
          const own = number > 1 && isAnswered(error) ? await ownSuccess(store, key, whole) : undefined
          if (own) return own
          throw error
        }
      }),
    abort: () => attempt(begin, `abort the upload of ${key}`, () => upload.abort()),
  }
}

/** What a store says to the second `complete` of an upload whose first one succeeded unseen. */
function isAnswered(error: unknown): boolean {
  return error instanceof HoldfastError && (error.code === 'STORE_CONFLICT' || error.code === 'NOT_FOUND')
}

async function ownSuccess(store: Store, key: string, whole: { size: number; crc32: string }): Promise<ObjectInfo | undefined> {
  const found = await store.head(key)
  if (!found || found.size !== whole.size) return undefined
  const crc32 = found.crc32 ?? (await measure(await store.get(key))).crc32
  return crc32 === whole.crc32 ? found : undefined
}
