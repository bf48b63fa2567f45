/** Files that stand in an archive by name and that no fetch gives: of an unknown signing key, altered, damaged. */
import { mapConcurrently } from '../catalog/concurrent.ts'
import { type ErrorCode, isUnsound } from '../core/errors.ts'
import { parseWalName, recordKeyOf } from './names.ts'
import { findRecord, type ReadingArchive } from './record.ts'

export interface Unreadable {
  name: string
  /** Of its record. */
  key: string
  code: ErrorCode
  message: string
}

/** Reads the record of each name; a store that does not answer is thrown. What was removed meanwhile is none of them. */
export async function unreadableOf(archive: ReadingArchive, names: readonly string[], signal?: AbortSignal): Promise<Unreadable[]> {
  const found = await mapConcurrently(names, async (name) => {
    signal?.throwIfAborted()
    return unreadable(archive, name)
  })
  return found.filter((one) => one !== undefined)
}

async function unreadable(archive: ReadingArchive, name: string): Promise<Unreadable | undefined> {
  try {
    await findRecord(archive, parseWalName(name))
    return undefined
  } catch (error) {
    if (!isUnsound(error)) throw error
    return { name, key: recordKeyOf(archive.archive, parseWalName(name)), code: error.code, message: error.message }
  }
}
