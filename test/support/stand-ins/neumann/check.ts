/** Reads every file of a node again and compares the checksums: verify-checksums. */
import { basename, join } from 'node:path'
import { readRecords } from './entry.ts'
import { logDir } from './folder.ts'
import { segmentsIn } from './log.ts'
import { readSnapshot, snapshotFiles } from './snapshot.ts'
import { storeFile } from './store.ts'

export interface Checked {
  file: string
  ok: boolean
  error?: string
}

export function checkFiles(dir: string): Checked[] {
  const log = logDir(dir)
  return [
    ...snapshotFiles(dir).map((file) => check(file, () => readSnapshot(file))),
    ...segmentsIn(log).map(({ path }) => check(path, () => readRecords(path))),
    // Entries may be on their way into these two.
    ...[join(log, 'open.wal'), storeFile(dir)].map((file) => check(file, () => readRecords(file, { torn: true }))),
  ]
}

function check(path: string, read: () => unknown): Checked {
  try {
    read()
    return { file: basename(path), ok: true }
  } catch (error) {
    return { file: basename(path), ok: false, error: (error as Error).message }
  }
}
