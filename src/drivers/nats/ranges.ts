/** Sets of sequences, kept as ranges: most streams have few gaps. */

/** From and to, both within. */
export type Range = readonly [number, number]

export function createRanges(): { add(seq: number): void; all(): Range[] } {
  // Slices are read side by side: what continues one of them is joined at once, what meets another at the end.
  const byEnd = new Map<number, [number, number]>()
  return {
    add(seq) {
      const before = byEnd.get(seq - 1)
      if (before) {
        byEnd.delete(seq - 1)
        before[1] = seq
        byEnd.set(seq, before)
      } else byEnd.set(seq, [seq, seq])
    },
    all() {
      const joined: [number, number][] = []
      for (const [from, to] of [...byEnd.values()].sort((a, b) => a[0] - b[0])) {
        const last = joined.at(-1)
        if (last && last[1] + 1 >= from) last[1] = Math.max(last[1], to)
        else joined.push([from, to])
      }
      return joined
    },
  }
}

/** Whether a sequence is in one of the ranges, which are in order. */
export function isIn(ranges: readonly Range[], seq: number): boolean {
  let low = 0
  let high = ranges.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const [from, to] = ranges[middle] as Range
    if (seq < from) high = middle - 1
    else if (seq > to) low = middle + 1
    else return true
  }
  return false
}
