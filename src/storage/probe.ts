/** Tries what Holdfast relies on in a store, with objects of its own that it removes again: doctor shows the findings. */
import { randomBytes } from 'node:crypto'
import { type ErrorCode, HoldfastError, messageOf } from '../core/errors.ts'
import type { Finding } from '../drivers/driver.ts'
import { crc32Of } from './crc.ts'
import { readAll, type Store } from './store.ts'

interface Probe {
  name: string
  next: string
  run(store: Store, key: string): Promise<Outcome>
}
interface Outcome {
  ok: boolean
  detail: string
}

const well = (detail: string): Outcome => ({ ok: true, detail })
const ill = (detail: string): Outcome => ({ ok: false, detail })

const PROBES: Probe[] = [
  {
    name: 'write and read',
    next: 'give the worker permission to read and write the repository',
    async run(store, key) {
      const body = randomBytes(1000)
      await store.put(key, body, { ifAbsent: true })
      return (await readAll(store, key)).equals(body) ? well('1000 bytes came back') : ill('other bytes came back than were written')
    },
  },
  {
    name: 'nothing is overwritten',
    next: 'use a store that honours If-None-Match on PutObject',
    async run(store, key) {
      const first = Buffer.from('first')
      await store.put(key, first, { ifAbsent: true })
      const second = await store.put(key, Buffer.from('second'), { ifAbsent: true })
      if (second !== 'exists') return ill('a second conditional write was accepted: two runs could overwrite each other')
      return (await readAll(store, key)).equals(first)
        ? well('the second write was refused')
        : ill('the second write was refused and changed the object all the same')
    },
  },
  {
    name: 'listing is current',
    next: 'use a store whose listings see every acknowledged write',
    async run(store, key) {
      if (await listed(store, key)) return ill('an object is listed that was never written')
      await store.put(key, Buffer.from('x'), { ifAbsent: true })
      if (!(await listed(store, key))) return ill('an object was acknowledged and is not listed')
      if ((await store.delete(key)) === 'locked') return well('writes show at once; deletes were not tried, objects are locked')
      return (await listed(store, key)) ? ill('a deleted object is still listed') : well('writes and deletes show at once')
    },
  },
  {
    name: 'upload in parts',
    next: 'use a store that honours If-None-Match on CompleteMultipartUpload',
    async run(store, key) {
      const sent = await upload(store, key)
      if (!(await readAll(store, key)).equals(sent)) return ill('other bytes came back than were uploaded')
      return (await isRefused(upload(store, key), 'STORE_CONFLICT'))
        ? well('two parts became one object; a second upload to its key was refused')
        : ill('a second upload to the same key was completed over the first')
    },
  },
  {
    name: 'damage on the way is refused',
    next: 'use a store that compares CRC32 of whole objects',
    async run(store, key) {
      if (!(await isRefused(upload(store, key, crc32Of(Buffer.from('other'))), 'INTEGRITY')))
        return ill('an upload with a wrong checksum was completed')
      return (await store.head(key))
        ? ill('an upload with a wrong checksum was refused and is visible')
        : well('an upload with a wrong checksum was refused')
    },
  },
  {
    name: 'checksum is kept',
    next: 'without it proofs of depth list compare sizes only; use depth read',
    async run(store, key) {
      const sent = await upload(store, key)
      const kept = (await store.head(key))?.crc32
      if (kept === undefined)
        return /^(folder|ssh):/.test(store.name)
          ? well('a folder keeps none; proofs of depth list compare sizes only')
          : ill('the store keeps no CRC32 of the whole object')
      return kept === crc32Of(sent)
        ? well('CRC32 of the whole object is kept')
        : ill('the store answers with another CRC32 than that of the object')
    },
  },
  {
    name: 'delete',
    next: 'give the worker permission to delete, or let retention run elsewhere',
    async run(store, key) {
      await store.put(key, Buffer.from('x'), { ifAbsent: true })
      const outcome = await store.delete(key)
      if (outcome === 'locked') return well('objects are locked until their retention ends')
      return outcome === 'deleted' && !(await store.head(key))
        ? well('an object was deleted')
        : ill(`delete answered "${outcome}"; recovery points could not expire`)
    },
  },
]

/** Runs every probe; one that throws is a finding, not an error. */
export async function probeStore(store: Store): Promise<Finding[]> {
  const folder = `holdfast/probe/${Date.now()}-${randomBytes(4).toString('hex')}`
  const findings: Finding[] = []
  for (const [number, { name, next, run }] of PROBES.entries()) {
    const outcome = await run(store, `${folder}/${number}`).catch((error: unknown) => ill(messageOf(error)))
    findings.push({ name: `store: ${name}`, ...outcome, ...(outcome.ok ? {} : { next }) })
  }
  await tidy(store, folder).catch((error: unknown) =>
    findings.push({ name: 'store: tidy up', ok: false, detail: messageOf(error), next: `delete what is below ${folder}` }),
  )
  return findings
}

/** True where it fails for this very reason; any other failure is the finding. */
async function isRefused(work: Promise<unknown>, code: ErrorCode): Promise<boolean> {
  try {
    await work
    return false
  } catch (error) {
    if (error instanceof HoldfastError && error.code === code) return true
    throw error
  }
}

async function listed(store: Store, key: string): Promise<boolean> {
  for await (const found of store.list(key)) if (found.key === key) return true
  return false
}

/** Two parts, of which the first is as small as the store allows; leaves no upload behind. */
async function upload(store: Store, key: string, crc32?: string): Promise<Buffer> {
  const parts = [randomBytes(Math.max(store.minPartBytes, 1000)), randomBytes(1000)]
  const whole = Buffer.concat(parts)
  const pending = await store.startUpload(key)
  try {
    for (const [index, part] of parts.entries()) await pending.part(index + 1, part)
    await pending.complete({ size: whole.length, crc32: crc32 ?? crc32Of(whole) })
    return whole
  } catch (error) {
    await pending.abort()
    throw error
  }
}

async function tidy(store: Store, folder: string): Promise<void> {
  for await (const { key } of store.list(`${folder}/`)) await store.delete(key)
  for await (const pending of store.pendingUploads(`${folder}/`)) await store.abortUpload(pending)
}
