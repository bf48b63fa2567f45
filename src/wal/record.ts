/** The record beside each archived file: signed, written once, last. What has no record is not archived. */
import { z } from 'zod'
import { misplaced, readRecord } from '../catalog/records.ts'
import type { Verifier } from '../catalog/signing.ts'
import { HoldfastError } from '../core/errors.ts'
import { artifactSchema } from '../core/records.ts'
import type { Reader } from '../storage/store.ts'
import { recordKeyOf, type WalName } from './names.ts'

export const walRecordSchema = z.looseObject({
  format: z.literal('holdfast/v1'),
  type: z.literal('wal'),
  archive: z.string(),
  name: z.string(),
  archivedAt: z.iso.datetime({ offset: true }),
  /** When the engine last wrote to the file: what it logged up to then is in this one and those before it. Absent in older records. */
  writtenAt: z.iso.datetime({ offset: true }).optional(),
  holdfastVersion: z.string(),
  /** The digest and the size of the content tell the same file from another one: ciphertext differs each time. */
  artifact: artifactSchema.required({ contentBlake3: true, plainBytes: true }),
  encryption: z.object({ recipients: z.array(z.string()) }),
  /** Of a history file: where the timeline comes from, so that gaps can be told without a key. */
  history: z.array(z.object({ timeline: z.number().int(), lsn: z.string() })).optional(),
})
export type WalRecord = z.infer<typeof walRecordSchema>

export interface ReadingArchive {
  archive: string
  store: Reader
  verifier: Verifier
}

/** The record of the name, or undefined where nothing is archived. Throws SIGNATURE_INVALID, INTEGRITY. */
export async function findRecord({ archive, store, verifier }: ReadingArchive, name: WalName): Promise<WalRecord | undefined> {
  const key = recordKeyOf(archive, name)
  const record = await readRecord({ store, verifier }, walRecordSchema, key).then(
    (read) => read.record,
    (error: unknown) => {
      if (error instanceof HoldfastError && error.code === 'NOT_FOUND') return undefined
      throw error
    },
  )
  // One that was signed for another name or archive would hand out the wrong log.
  if (record && (record.archive !== archive || record.name !== name.name)) throw misplaced(key, `it is of ${record.archive} ${record.name}`)
  return record
}
