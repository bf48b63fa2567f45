/**
 * A store in a folder of another host, by ssh. As in a folder of this one an object is written aside, digested there,
 * synced, and linked to its name, so that nothing is overwritten and no reader sees half of it.
 */
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import type { SshRepositoryConfig } from '../config/schema.ts'
import type { Chain } from '../process/chain.ts'
import { checkKey, compareKeys } from './keys.ts'
import { notFound } from './problems.ts'
import { DELETE, FAR, GET, HEAD, LIST, PUT } from './ssh-far.ts'
import { createLink, type Link } from './ssh-link.ts'
import { cutShort, infoOf, sha256 } from './ssh-object.ts'
import { createSshUploads } from './ssh-upload.ts'
import type { ObjectInfo, Store } from './store.ts'

export function createSshStore(config: SshRepositoryConfig): Store {
  const { user, host, port, path } = config
  const name = `ssh://${user ? `${user}@` : ''}${host}${port ? `:${port}` : ''}${path}`
  const link = createLink(config, name)
  const uploads = createSshUploads(link, name)
  const failed = (action: string, key: string) => (error: unknown) => {
    throw link.problem(error, action, key)
  }

  return {
    name,
    minPartBytes: 1,

    async head(key) {
      checkKey(key)
      const { exitCode, stdout } = await link.call(HEAD, [key]).catch(failed('look at', key))
      return exitCode === FAR.notThere ? undefined : infoOf(key, stdout)
    },

    list: (prefix) => list(link, prefix),
    get: (key, options) => get(link, name, key, options),

    async put(key, body, { ifAbsent }) {
      checkKey(key)
      const args = [key, sha256(body), ifAbsent ? 'keep' : 'replace', randomBytes(8).toString('hex')]
      const { exitCode, stdout } = await link.call(PUT, args, { body }).catch(failed('write', key))
      if (exitCode === FAR.unlike) throw cutShort(key, body)
      return stdout.trim() === 'exists' ? 'exists' : 'created'
    },

    startUpload: (key) => uploads.start(key),
    pendingUploads: (prefix) => uploads.pending(prefix),
    abortUpload: ({ id }) => uploads.abort(id),

    async delete(key) {
      checkKey(key)
      const { stdout } = await link.call(DELETE, [key]).catch(failed('delete', key))
      return stdout.trim() === 'absent' ? 'absent' : 'deleted'
    },

    close: () => link.close(),
  }
}

async function* list(link: Link, prefix: string): AsyncIterable<ObjectInfo> {
  const found: ObjectInfo[] = []
  try {
    const chain = await link.open(LIST, [prefix.slice(0, prefix.lastIndexOf('/') + 1)])
    for await (const line of linesOf(chain)) {
      const [path = '', size, modified] = line.split('\t')
      const key = path.slice('./'.length)
      if (key.startsWith(prefix)) found.push({ key, size: Number(size), modified: new Date(Number(modified) * 1000) })
    }
  } catch (error) {
    throw link.problem(error, 'list', prefix)
  }
  yield* found.sort((a, b) => compareKeys(a.key, b.key))
}

async function* linesOf(chain: Chain): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of chain.stdout.setEncoding('utf8')) {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

async function get(
  link: Link,
  store: string,
  key: string,
  { signal, start = 0 }: { signal?: AbortSignal; start?: number } = {},
): Promise<Readable> {
  checkKey(key)
  signal?.throwIfAborted()
  const chain = await link.open(GET, [key, String(start + 1)]).catch((error: unknown) => {
    throw link.problem(error, 'read', key)
  })
  const stop = () => void chain.stop().catch(() => {})
  signal?.addEventListener('abort', stop, { once: true })
  const explained = (error: unknown) => {
    const { exitCode } = (error as { details?: { exitCode?: number } }).details ?? {}
    return exitCode === FAR.notThere ? notFound(store, key, error) : link.problem(error, 'read', key)
  }
  const chunks = (chain.stdout as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  // The first byte only says that it is there.
  const first = await chunks.next().catch((error: unknown) => {
    signal?.throwIfAborted()
    throw explained(error)
  })

  async function* bytes(): AsyncGenerator<Buffer> {
    try {
      for (let next = first; !next.done; next = await chunks.next()) {
        const chunk = next === first ? next.value.subarray(1) : next.value
        if (chunk.length > 0) yield chunk
      }
    } catch (error) {
      throw explained(error)
    }
  }
  const stream = Readable.from(bytes(), { objectMode: false, signal })
  stream.once('close', () => {
    signal?.removeEventListener('abort', stop)
    stop()
  })
  return stream
}
