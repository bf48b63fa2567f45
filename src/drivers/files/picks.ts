/** Which members of a point a restore takes: all, or those that were chosen with what they cannot stand without. */
import { HoldfastError } from '../../core/errors.ts'
import type { Entry } from './entries.ts'
import { ancestorsOf, type BytePath } from './names.ts'
import { matchAbove, patternsOf } from './patterns.ts'

export interface Picks {
  /** It was asked for; not only needed by what was. */
  chosen(path: BytePath): boolean
  takes(path: BytePath): boolean
  /** Everything was asked for. */
  whole: boolean
  /** Taken only because a chosen name shares its file with them: removed again once that is there. */
  helpers: ReadonlySet<BytePath>
}

export const EVERYTHING_PICKED: Picks = { chosen: () => true, takes: () => true, whole: true, helpers: new Set() }

/** Throws NOT_FOUND where a pattern matches nothing of the point. */
export async function picksOf(parts: readonly string[] | undefined, index: () => AsyncIterable<Entry>): Promise<Picks> {
  if (parts === undefined) return EVERYTHING_PICKED
  const patterns = patternsOf(parts)
  const matched = new Set<string>()
  const folders = new Set<BytePath>()
  const shared = new Set<BytePath>()
  const chosen = (path: BytePath) => matchAbove(patterns, path) !== undefined
  for await (const { path, type, target } of index()) {
    for (const text of parts) if (!matched.has(text) && matchAbove(patternsOf([text]), path) !== undefined) matched.add(text)
    if (!chosen(path)) continue
    for (const folder of ancestorsOf(path)) folders.add(folder)
    if (type === 'hard link' && target !== undefined && !chosen(target)) shared.add(target)
  }
  const missing = parts.filter((text) => !matched.has(text))
  if (missing.length > 0)
    throw new HoldfastError('NOT_FOUND', `the point has nothing that ${missing.join(', ')} matches`, {
      object: missing[0],
      next: 'give a name, or a path from the root of the source, as its index lists them',
    })
  return { chosen, whole: false, takes: (path) => chosen(path) || folders.has(path) || shared.has(path), helpers: shared }
}

/**
 * The entries of a point as they are once the picks are restored: where the first name of a shared file was not chosen,
 * the first that was holds the file.
 */
export async function* picked(entries: AsyncIterable<Entry>, { takes, helpers }: Picks): AsyncGenerator<Entry> {
  const first = new Map<BytePath, Entry>()
  for await (const entry of entries) {
    if (!takes(entry.path)) continue
    if (helpers.has(entry.path)) {
      first.set(entry.path, entry)
      continue
    }
    const source = entry.type === 'hard link' ? first.get(entry.target ?? '') : undefined
    if (!source) yield entry
    else if (helpers.has(source.path)) {
      const { target: _, ...file } = { ...source, path: entry.path }
      first.set(source.path, { ...source, path: entry.path })
      yield file
    } else yield { ...entry, target: source.path }
  }
}
