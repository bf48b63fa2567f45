/** What is under way at a data directory: a file beside it says so, and outlives a crash of the machine like the renames do. */
import { readJson, removeDurably, writeDurably } from '../../storage/durable.ts'

export interface Under {
  /** `<folder>/<inode>` of the copy, as restoreAside gave it. */
  made: string
  /** Where the old cluster goes; the same at each try. */
  kept: string
}

const noteOf = (dataDir: string): string => `${dataDir}.restore-under-way`

export const begun = (dataDir: string): Promise<Under | undefined> => readJson<Under>(noteOf(dataDir))

export const begin = (dataDir: string, under: Under): Promise<void> => writeDurably(noteOf(dataDir), JSON.stringify(under))

export const forget = (dataDir: string): Promise<void> => removeDurably(noteOf(dataDir))
