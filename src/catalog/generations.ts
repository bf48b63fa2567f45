/** Generations of the index: what a listing found, kept so that the next one need not read it again. Never a source of truth. */
import { z } from 'zod'
import { isUnsound } from '../core/errors.ts'
import type { PointSummary } from '../core/records.ts'
import { signatureSchema } from '../core/records.ts'
import { indexPrefix, numberedKey, numberOf } from './keys.ts'
import { type CatalogContext, isGone, readRecord, seal } from './records.ts'

/** `fingerprint` covers the objects that the summary was made from: as long as it fits, the summary does. */
export interface IndexEntry {
  fingerprint: string
  summary: PointSummary
}
export interface Generation {
  number: number
  entries: IndexEntry[]
}
export interface Problem {
  key: string
  code: string
  message: string
}

const entrySchema = z.object({
  fingerprint: z.string(),
  // Ours, signed: its inside was checked when the manifest was read.
  summary: z.custom<PointSummary>((value) => value !== null && typeof value === 'object' && 'id' in value && 'source' in value),
})
const generationSchema = z.looseObject({
  format: z.literal('holdfast/v1'),
  type: z.literal('index'),
  number: z.number().int().positive(),
  at: z.iso.datetime(),
  entries: z.array(entrySchema),
  signature: signatureSchema.optional(),
})

const KEPT = 3

/** The newest generation that can be trusted; without one, an empty one of the highest number. */
export async function readGeneration(context: Pick<CatalogContext, 'store' | 'verifier'>): Promise<Generation & { problems: Problem[] }> {
  const numbers = await numbersIn(context)
  const problems: Problem[] = []
  for (const number of numbers.slice(-KEPT).reverse()) {
    const key = numberedKey(indexPrefix, number)
    try {
      const { record } = await readRecord(context, generationSchema, key)
      if (record.number === number) return { number: numbers.at(-1) ?? 0, entries: record.entries, problems }
      problems.push({ key, code: 'INTEGRITY', message: `${key} is generation ${record.number}` })
    } catch (error) {
      // An index is never needed: what is wrong with it is told, and the manifests are read.
      if (!isUnsound(error) && !isGone(error)) throw error
      problems.push({ key, code: error.code, message: error.message })
    }
  }
  return { number: numbers.at(-1) ?? 0, entries: [], problems }
}

/** Writes the next generation and removes old ones. Another writer's that came first is as good. */
export async function writeGeneration(context: CatalogContext, number: number, entries: IndexEntry[]): Promise<void> {
  const { bytes } = seal(context, generationSchema, { format: 'holdfast/v1', type: 'index', number, at: new Date().toISOString(), entries })
  const outcome = await context.store.put(numberedKey(indexPrefix, number), bytes, { ifAbsent: true })
  if (outcome === 'exists') return
  for (const old of (await numbersIn(context)).slice(0, -KEPT)) await context.store.delete(numberedKey(indexPrefix, old))
}

async function numbersIn({ store }: Pick<CatalogContext, 'store'>): Promise<number[]> {
  const numbers: number[] = []
  for await (const { key } of store.list(indexPrefix)) {
    const number = numberOf(indexPrefix, key)
    if (number !== undefined) numbers.push(number)
  }
  return numbers
}
