/** What is wrong with a configuration, before and after it has a place in the file. */
export type Path = readonly (string | number)[]

export interface Problem {
  path: Path
  message: string
}

export interface PlacedProblem extends Problem {
  /** Counted from 1. */
  line: number
}

/** `sources.orders.tables[0]`. */
export function pathText(path: Path): string {
  return path.reduce<string>((text, word) => (typeof word === 'number' ? `${text}[${word}]` : text ? `${text}.${word}` : word), '')
}
