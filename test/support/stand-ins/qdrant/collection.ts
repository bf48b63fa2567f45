/** One collection: its configuration in a file, its points in memory and in a log that is replayed at start. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFile, wholeLines } from '../files.ts'
import { valueAt } from './filter.ts'
import { parseJson, printJson } from './json.ts'
import type { Vectors, VectorsConfig } from './vectors.ts'

export type PointId = number | bigint | string
export interface Point {
  id: PointId
  vector: Vectors
  payload: Record<string, unknown>
}
export interface Params extends VectorsConfig {
  shard_number: number
  [name: string]: unknown
}
export interface Config {
  params: Params
  [section: string]: unknown
}
interface Index {
  data_type: string
  params?: Record<string, unknown>
}
interface State {
  config: Config
  indexes: Record<string, Index>
}
type Operation = { upsert: Point[] } | { delete: PointId[] }

export const STATE_FILE = 'config.json'
export const LOG_FILE = 'points.ndjson'

export class Collection {
  readonly dir: string
  readonly state: State
  private readonly points = new Map<PointId, Point>()
  private sorted: Point[] | undefined
  private operations = 0
  private written = 0

  /** Reads it from its folder; throws where that holds no whole collection. */
  constructor(dir: string) {
    this.dir = dir
    this.state = parseJson(readFileSync(join(dir, STATE_FILE), 'utf8')) as State
    for (const line of wholeLines(join(dir, LOG_FILE))) this.apply(parseJson(line) as Operation)
    this.written = this.points.size
  }

  static create(dir: string, config: Config): Collection {
    mkdirSync(dir, { recursive: true })
    writeFileSync(join(dir, LOG_FILE), '')
    replaceFile(join(dir, STATE_FILE), printJson({ config, indexes: {} } satisfies State))
    return new Collection(dir)
  }

  static isIn(dir: string): boolean {
    return existsSync(join(dir, STATE_FILE)) && existsSync(join(dir, LOG_FILE))
  }

  get size(): number {
    return this.points.size
  }

  /** By id, numbers before UUIDs: the order that scroll goes by. */
  get inOrder(): readonly Point[] {
    this.sorted ??= [...this.points.values()].sort((a, b) => compareIds(a.id, b.id))
    return this.sorted
  }

  find(id: PointId): Point | undefined {
    return this.points.get(id)
  }

  /** Written to the log, then applied; returns the number of the operation. */
  write(operation: Operation): number {
    appendFileSync(join(this.dir, LOG_FILE), `${printJson(operation)}\n`)
    this.apply(operation)
    return this.operations++
  }

  private apply(operation: Operation): void {
    this.sorted = undefined
    if ('delete' in operation) {
      for (const id of operation.delete) if (this.points.delete(id)) this.written--
      return
    }
    for (const point of operation.upsert) this.points.set(point.id, point)
    this.written += operation.upsert.length
  }

  setIndex(field: string, index: Index | undefined): number {
    if (index) this.state.indexes[field] = index
    else delete this.state.indexes[field]
    this.save()
    return this.operations++
  }

  save(): void {
    replaceFile(join(this.dir, STATE_FILE), printJson(this.state))
  }

  /** `points` counts a point that was written again twice until the server starts anew: the real one is off so, too. */
  get payloadSchema(): Record<string, Index & { points: number }> {
    const again = this.written - this.points.size
    const schema = Object.entries(this.state.indexes).map(([field, index]) => {
      const having = this.inOrder.filter(({ payload }) => valueAt(payload, field) !== undefined).length
      return [field, { ...index, points: having && having + again }] as const
    })
    return Object.fromEntries(schema)
  }
}

export function compareIds(a: PointId, b: PointId): number {
  if (typeof a === 'string' || typeof b === 'string') return typeof a === typeof b ? (a < b ? -1 : 1) : typeof a === 'string' ? 1 : -1
  return a < b ? -1 : a > b ? 1 : 0
}
