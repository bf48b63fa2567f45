/** What Qdrant makes of a vector on its way in (32-bit floats, length 1 for Cosine) and on its way out. */
import { badInput } from './errors.ts'

export interface VectorParams {
  size: number
  distance: 'Cosine' | 'Dot' | 'Euclid' | 'Manhattan'
  multivector_config?: unknown
}
export interface VectorsConfig {
  /** One unnamed vector, or several by name. */
  vectors?: VectorParams | Record<string, VectorParams>
  sparse_vectors?: Record<string, unknown>
}
type Sparse = { indices: number[]; values: number[] }
export type Vector = number[] | number[][] | Sparse
export type Vectors = Vector | Record<string, Vector>

const isUnnamed = (vectors: VectorsConfig['vectors']): vectors is VectorParams => typeof vectors?.size === 'number'

/** A point's vectors as they are stored. Throws Qdrant's error where they do not fit the collection. */
export function storedVectors(given: Vectors | undefined, config: VectorsConfig): Vectors {
  if (Array.isArray(given)) {
    if (!isUnnamed(config.vectors)) throw badInput('Not existing vector name error: ')
    return storedDense(given, config.vectors)
  }
  const named = Object.entries((given ?? {}) as Record<string, Vector>)
  const stored = named.map(([name, vector]) => [name, storedNamed(name, vector, config)] as const)
  if (isUnnamed(config.vectors) && named.length === 1 && stored[0]?.[0] === '') return stored[0][1]
  return Object.fromEntries(stored)
}

function storedNamed(name: string, vector: Vector, { vectors, sparse_vectors }: VectorsConfig): Vector {
  if (sparse_vectors && name in sparse_vectors) return storedSparse(vector as Sparse)
  const params = isUnnamed(vectors) ? { '': vectors }[name] : vectors?.[name]
  if (!params) throw badInput(`Not existing vector name error: ${name}`)
  return storedDense(vector as number[] | number[][], params)
}

function storedDense(vector: number[] | number[][], params: VectorParams): number[] | number[][] {
  if (Array.isArray(vector[0])) {
    if (!params.multivector_config) throw badInput('Conversion between multi and regular vectors failed')
    return (vector as number[][]).map((row) => storedRow(row, params))
  }
  const row = storedRow(vector as number[], params)
  return params.multivector_config ? [row] : row
}

function storedRow(row: number[], { size, distance }: VectorParams): number[] {
  if (row.length !== size) throw badInput(`Vector dimension error: expected dim: ${size}, got ${row.length}`)
  const floats = row.map(Math.fround)
  const square = floats.reduce((sum, value) => sum + value * value, 0)
  // What is of length 1 already is left as it is: a vector that was read and is written again does not change.
  const asIs = distance !== 'Cosine' || square < Number.EPSILON || Math.abs(square - 1) <= 1e-6
  return (asIs ? floats : floats.map((value) => value / Math.sqrt(square))).map(shortest)
}

function storedSparse({ indices, values }: Sparse): Sparse {
  if (indices?.length !== values?.length) throw badInput('Sparse vector must have the same number of indices and values')
  const order = indices.map((_, place) => place).sort((a, b) => (indices[a] ?? 0) - (indices[b] ?? 0))
  return { indices: order.map((place) => indices[place] ?? 0), values: order.map((place) => shortest(values[place] ?? 0)) }
}

/** The shortest decimal that means the same 32-bit float: what Qdrant prints. */
function shortest(value: number): number {
  const float = Math.fround(value)
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(float.toPrecision(digits))
    if (Math.fround(short) === float) return short
  }
  return Number(float.toPrecision(9))
}

let turn = 0

/** Qdrant keeps names in a hash map: their order differs from reply to reply. */
export function printedVectors(stored: Vectors, only?: readonly string[]): Vectors {
  if (Array.isArray(stored)) return stored
  const named = Object.entries(stored as Record<string, Vector>).filter(([name]) => !only || only.includes(name))
  const by = named.length ? turn++ % named.length : 0
  return Object.fromEntries([...named.slice(by), ...named.slice(0, by)])
}
