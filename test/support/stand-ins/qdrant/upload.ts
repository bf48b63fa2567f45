/** An uploaded file on its way to disk: in constant memory, however large it is. */
import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { basename, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy, type BusboyHeaders } from '@fastify/busboy'
import { messageOf } from '../../../../src/core/errors.ts'
import { badRequest } from './errors.ts'

export interface Received {
  path: string
  name: string
  digest: string
}

/** The file of the form's field `snapshot`, stored in the folder. Rejects where the request ends early or has none. */
export async function receive(incoming: IncomingMessage, folder: string): Promise<Received> {
  let file: Promise<Received> | undefined
  const cut = new AbortController()
  const form = new Busboy({ headers: incoming.headers as BusboyHeaders, limits: { fileSize: Number.POSITIVE_INFINITY } })
  form.on('file', (field, stream, name) => {
    if (field === 'snapshot') file = store(stream, join(folder, 'received'), basename(name || randomUUID()), cut.signal)
    else stream.resume()
  })
  try {
    await pipeline(incoming, form)
  } catch (error) {
    // The form says nothing to the stream of its file: it would wait for the rest for ever.
    cut.abort(error)
    await file?.catch(() => {})
    throw badRequest(`Multipart error: ${messageOf(error)}`)
  }
  if (!file) throw badRequest('Multipart error: Field with name `snapshot` is required')
  return file
}

async function store(stream: NodeJS.ReadableStream, path: string, name: string, signal: AbortSignal): Promise<Received> {
  const hash = createHash('sha256')
  const digesting = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
  await pipeline(stream, digesting, createWriteStream(path), { signal })
  return { path, name, digest: hash.digest('hex') }
}
