/** What the benchmarks say: one row for each promise, as a table for people and as JSON. */

export interface Row {
  name: string
  against: string
  /** Holdfast's median over the bare median; absent where the row is a value. */
  ratio?: number
  /** MB or events, where nothing is divided. */
  value?: number
  /** The ratio or value that meets the goal in this run: "plus 2 s" is already counted in. */
  goal: number
  goalText: string
  /** What keeps it from being better, with what was measured of that. */
  limit: string
  /** Medians, and the least and greatest ratio of a round: where they are far apart the machine was not quiet. */
  seconds?: number
  againstSeconds?: number
  spread?: [number, number]
}

export interface Goal {
  factor: number
  plusSeconds?: number
}

/** A row of two series that were measured in the same rounds. */
export function compared(
  names: { name: string; against: string; limit: string },
  ours: readonly number[],
  bare: readonly number[],
  { factor, plusSeconds = 0 }: Goal,
): Row {
  const [seconds, againstSeconds] = [median(ours), median(bare)]
  const ratios = ours.map((value, round) => value / (bare[round] as number))
  return {
    ...names,
    ratio: round(seconds / againstSeconds, 3),
    goal: round(factor + plusSeconds / againstSeconds, 3),
    goalText: `${factor}${plusSeconds ? ` plus ${plusSeconds} s` : ''}`,
    seconds: round(seconds, 2),
    againstSeconds: round(againstSeconds, 2),
    spread: [round(Math.min(...ratios), 2), round(Math.max(...ratios), 2)],
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)]
  if (upper === undefined) throw new Error('a median needs a value')
  return sorted.length % 2 ? upper : (upper + (sorted[middle - 1] as number)) / 2
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

/** The rows as lines; the limit of each below it. */
export function table(rows: readonly Row[]): string {
  const lines = rows.flatMap((row) => [
    `${mark(row)} ${row.name}: ${figure(row)}   goal ${row.goalText}${row.ratio !== undefined && row.goalText !== String(row.goal) ? ` (here ${row.goal}×)` : ''}`,
    `    against: ${row.against}`,
    `    limit:   ${row.limit}`,
  ])
  return lines.join('\n')
}

function figure({ ratio, value, seconds, againstSeconds, spread }: Row): string {
  if (ratio === undefined) return String(value)
  return `${ratio}×   ${seconds} s against ${againstSeconds} s, rounds ${spread?.[0]} to ${spread?.[1]}`
}

const mark = ({ ratio, value, goal }: Row) => ((ratio ?? value ?? Number.POSITIVE_INFINITY) <= goal ? '✔' : '✘')
