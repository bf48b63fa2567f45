/**
 * What a restore over live streams writes down on the server itself, so that any worker goes on where one was killed: a
 * small stream with what was confirmed, made before the first stream is deleted, and a mark in the metadata of each
 * stream that it restores.
 */
import { randomBytes } from 'node:crypto'
import type { Manifest } from '../../core/records.ts'
import type { StreamInfo } from './answers.ts'
import { digestOf } from './digests.ts'
import { API, findStream, isApiError, isClustered, type JetStream } from './jetstream.ts'
import { MARK } from './quiet.ts'
import { JOURNAL } from './select.ts'

export interface Journal {
  confirm: string
  /** What may be deleted: stream to the time when it was made. One that somebody made since is not among them. */
  replaced: Record<string, string>
}

export interface Marks {
  /** While it is restored, of this very try. */
  begun: string
  done: string
  isBegun(info: StreamInfo): boolean
  isDone(info: StreamInfo): boolean
}

/** Names the point and the confirmation: what another restore left is another mark. */
export function marksOf(manifest: Manifest, confirm: string): Marks {
  const restore = `${manifest.source}/${manifest.id} ${digestOf(confirm).slice(0, 16)}`
  const done = `${restore} done`
  const markOf = ({ config }: StreamInfo) => config.metadata?.[MARK]
  return {
    begun: `${restore} begun ${randomBytes(6).toString('hex')}`,
    done,
    isBegun: (info) => markOf(info)?.startsWith(`${restore} begun `) ?? false,
    isDone: (info) => markOf(info) === done,
  }
}

const nameOf = ({ id }: Manifest): string => `${JOURNAL}${id}`

/** What an earlier try of this point wrote, if it came so far. */
export async function readJournal(js: JetStream, manifest: Manifest): Promise<Journal | undefined> {
  const name = nameOf(manifest)
  const found = await findStream(js, name)
  if (!found || found.state.messages === 0) return undefined
  return js.ask<{ message: { data: string } }>(`STREAM.MSG.GET.${name}`, { seq: found.state.last_seq }).then(
    ({ message }) => JSON.parse(Buffer.from(message.data, 'base64').toString('utf8')) as Journal,
    (error: unknown) => {
      if (isApiError(error, API.noMessage)) return undefined
      throw error
    },
  )
}

/** In the place of one that was left by a restore that nobody went on with. */
export async function writeJournal(js: JetStream, manifest: Manifest, journal: Journal): Promise<void> {
  const name = nameOf(manifest)
  const subject = `_holdfast.journal.${manifest.source}.${manifest.id}`
  await removeJournal(js, manifest)
  const replicas = isClustered(js) ? 3 : 1
  const config = { name, subjects: [subject], storage: 'file', retention: 'limits', num_replicas: replicas, max_msgs: 1 }
  // A cluster of fewer servers keeps it once.
  await js.ask(`STREAM.CREATE.${name}`, config).catch(() => js.ask(`STREAM.CREATE.${name}`, { ...config, num_replicas: 1 }))
  const stored = await js.nc.request(subject, JSON.stringify(journal), { timeout: 10_000 })
  const { stream } = stored.json<{ stream?: string }>()
  if (stream !== name) throw new Error(`${name} did not keep what was written into it: ${stored.string()}`)
}

export async function removeJournal(js: JetStream, manifest: Manifest): Promise<void> {
  await js.ask(`STREAM.DELETE.${nameOf(manifest)}`).catch((error: unknown) => {
    if (!isApiError(error, API.streamNotFound)) throw error
  })
}
