/** wal-replay: on a node that does not run, archived segments on top of its newest snapshot, to a moment and no further. */
import { type Entry, readRecords } from './entry.ts'
import { openFolder } from './folder.ts'
import { segmentsIn } from './log.ts'
import { newestSnapshot } from './snapshot.ts'
import { writeState } from './state.ts'

export interface Replayed {
  replayed: number
  index: number
  term: number
  /** Of the last entry that was replayed; of the snapshot where none was. */
  time: string | null
  total_entries: number
  /** The first entry that was left out; absent where the archive ended. */
  stopped_before?: { index: number; time: string }
}

/** Throws on a gap, on a damaged segment and where the snapshot is already past `until`. May be run again. */
export function replay(dir: string, walDir: string, until: Date | undefined): Replayed {
  const folder = openFolder(dir)
  const { log, store, state } = folder
  // The log that stands there may hold other entries than the archive: only the snapshot is begun with.
  const base = log.base
  log.reset(base)
  store.load(newestSnapshot(dir))
  if (until && store.time && Date.parse(store.time) > until.getTime())
    throw new Error(`the snapshot is of ${store.time}, later than ${until.toISOString()}: restore an older one`)
  const result: Replayed = { replayed: 0, index: base.index, term: base.term, time: store.time, total_entries: store.entries }
  for (const entry of archived(walDir, base.index)) {
    if (until && Date.parse(entry.time) > until.getTime()) {
      result.stopped_before = { index: entry.index, time: entry.time }
      break
    }
    log.append([entry])
    store.apply(entry)
    Object.assign(result, { replayed: result.replayed + 1, index: entry.index, term: entry.term, time: entry.time })
  }
  writeState(dir, { ...state, term: Math.max(state.term, result.term) })
  return { ...result, total_entries: store.entries }
}

/** Entries after the index, each once, without a gap: segments of two leaders may overlap. */
function* archived(walDir: string, after: number): Generator<Entry> {
  let last = after
  for (const { path, name } of segmentsIn(walDir))
    for (const entry of readRecords<Entry>(path)) {
      if (entry.index <= last) continue
      if (entry.index !== last + 1) throw new Error(`the archive has a gap: entries ${last + 1} to ${entry.index - 1} before ${name}`)
      last = entry.index
      yield entry
    }
}
