/** Uploads of the store on SSH: parts as files in a hidden folder of the other host, joined and linked at the end. */
import { randomBytes } from 'node:crypto'
import { checkKey, compareKeys } from './keys.ts'
import { conflict, unlike, uploadGone } from './problems.ts'
import { ABORT, COMPLETE, FAR, PART, PENDING, START } from './ssh-far.ts'
import type { Link } from './ssh-link.ts'
import { cutShort, infoOf, sha256 } from './ssh-object.ts'
import type { PendingUpload, Upload } from './store.ts'

/** The time of its start, and what makes it one of its own. */
const ID = /^([0-9]{13})-[0-9a-f]{16}$/

export interface SshUploads {
  start(key: string): Promise<Upload>
  pending(prefix: string): AsyncIterable<PendingUpload>
  abort(id: string): Promise<void>
}

export function createSshUploads(link: Link, store: string): SshUploads {
  const failed = (action: string, key: string) => (error: unknown) => {
    throw link.problem(error, action, key)
  }
  const abort = async (id: string) => {
    if (ID.test(id)) await link.call(ABORT, [id]).catch(failed('abort the upload', id))
  }

  return {
    abort,

    async start(key) {
      checkKey(key)
      const id = `${Date.now()}-${randomBytes(8).toString('hex')}`
      await link.call(START, [id, key]).catch(failed('start an upload of', key))
      return uploadOf({ key, id, link, store, abort })
    },

    async *pending(prefix) {
      const { stdout } = await link.call(PENDING, []).catch(failed('list uploads of', prefix))
      const found = stdout.split('\n').flatMap((line) => {
        const [id = '', key = ''] = line.split('\t')
        const [, started] = ID.exec(id) ?? []
        return started !== undefined && key.startsWith(prefix) ? [{ key, id, started: new Date(Number(started)) }] : []
      })
      yield* found.sort((a, b) => compareKeys(a.key, b.key))
    },
  }
}

interface UploadContext {
  key: string
  id: string
  link: Link
  store: string
  abort(id: string): Promise<void>
}

function uploadOf({ key, id, link, store, abort }: UploadContext): Upload {
  const parts = new Set<number>()
  const failed = (action: string) => (error: unknown) => {
    throw link.problem(error, action, key)
  }
  return {
    key,
    id,

    async part(number, body, signal) {
      signal?.throwIfAborted()
      const args = [id, String(number), sha256(body), randomBytes(4).toString('hex')]
      const { exitCode } = await link.call(PART, args, { body, signal }).catch(failed(`store part ${number} of`))
      if (exitCode === FAR.notThere) throw uploadGone(store, key)
      if (exitCode === FAR.unlike) throw cutShort(key, body)
      parts.add(number)
    },

    async complete(sent) {
      const numbers = [...parts].sort((a, b) => a - b).map(String)
      const args = [id, key, String(sent.size), littleEndian(sent.crc32), ...numbers]
      const { exitCode, stdout } = await link.call(COMPLETE, args).catch(failed('complete'))
      if (exitCode === FAR.notThere) throw uploadGone(store, key)
      if (exitCode === FAR.conflict) throw conflict(key)
      if (exitCode === FAR.unlike) {
        const [size = '0', crc = ''] = stdout.trim().split(' ')
        throw unlike(key, { size: Number(size), crc32: Buffer.from(crc, 'hex').reverse().toString('base64') }, sent)
      }
      return infoOf(key, stdout)
    },

    abort: () => abort(id),
  }
}

/** As gzip writes it at its end. */
const littleEndian = (crc32: string): string => Buffer.from(crc32, 'base64').reverse().toString('hex')
