/** Segments of a log by the entries that are in them, as their names say it. Pure. */

export interface Entries {
  first: number
  last: number
}

/** The entries of a segment, by an expression with the groups `first` and `last`; undefined for another name. */
export function entriesOf(names: RegExp, name: string): Entries | undefined {
  const { first, last } = names.exec(name)?.groups ?? {}
  return first !== undefined && last !== undefined ? { first: Number(first), last: Number(last) } : undefined
}

/** For sort(). */
export const byEntries = (a: Entries, b: Entries): number => a.first - b.first || a.last - b.last

export interface Gap {
  from: number
  to: number
}

/** Every hole between two segments, which may overlap; they come in the order of their entries. Up to `after` all is there. */
export function gapsIn(segments: readonly Entries[], after = (segments[0]?.first ?? 1) - 1): Gap[] {
  const gaps: Gap[] = []
  let through = after
  for (const { first, last } of segments) {
    if (first > through + 1) gaps.push({ from: through + 1, to: first - 1 })
    through = Math.max(through, last)
  }
  return gaps
}
