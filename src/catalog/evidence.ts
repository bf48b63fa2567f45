/**
 * Evidence: one numbered, signed chain per writer. Each record names the digest of the one before, so an edit or a gap
 * shows; a cut at the end shows against a head that was published elsewhere.
 */
import { z } from 'zod'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { type Evidence, evidenceSchema, signatureSchema } from '../core/records.ts'
import { readAll, type Reader, type Store } from '../storage/store.ts'
import { canonicalBytes, digestOf } from './canonical.ts'
import { mapConcurrently } from './concurrent.ts'
import { evidencePrefix, headsPrefix, numberedKey, numberOf } from './keys.ts'
import { type CatalogContext, openRecord, readRecord, seal } from './records.ts'

/** What the caller says; number, link and signature are added. */
export type NewEvidence = Pick<Evidence, 'at' | 'workflow' | 'workflowId' | 'runId' | 'outcome' | 'report'>

export const headSchema = z.looseObject({
  format: z.literal('holdfast/v1'),
  type: z.literal('evidence-head'),
  writer: z.string(),
  number: z.number().int().positive(),
  digest: z.string(),
  at: z.iso.datetime({ offset: true }),
  signature: signatureSchema.optional(),
})
export type EvidenceHead = z.infer<typeof headSchema>

export interface ChainReport {
  records: number
  head?: { number: number; digest: string }
  /** Nothing here: the chain is whole, up to the newest head that was published elsewhere. */
  problems: { key: string; problem: string }[]
}

type Reading = Pick<CatalogContext, 'store' | 'verifier'>
/** A run that asks again finds its record this far back, whatever others wrote since. */
const LOOK_BACK = 8
const MOST_CONFLICTS = 50

/** Appends and returns the number. The same record of the same run again finds itself. */
export async function appendEvidence(context: CatalogContext, writer: string, evidence: NewEvidence): Promise<number> {
  const prefix = evidencePrefix(writer)
  for (let conflicts = 0; conflicts < MOST_CONFLICTS; conflicts++) {
    const numbers = await numbersBelow(context.store, prefix)
    // A damaged end must not keep a run from leaving its record: the chain goes on over it, and verifyEvidence tells.
    const recent = await mapConcurrently(numbers.slice(-LOOK_BACK), (number) => readLink(context, prefix, writer, number))
    const own = recent.find(({ record }) => record && isSame(record, evidence))
    if (own?.record) return own.record.number
    const number = (numbers.at(-1) ?? 0) + 1
    const previous = recent.at(-1)?.digest
    const { bytes } = seal(context, evidenceSchema, {
      format: 'holdfast/v1',
      type: 'evidence',
      writer,
      number,
      ...(previous ? { previous } : {}),
      ...evidence,
    })
    if ((await context.store.put(numberedKey(prefix, number), bytes, { ifAbsent: true })) === 'created') return number
  }
  throw new HoldfastError('STORE_CONFLICT', `other runs of the writer ${writer} appended evidence ${MOST_CONFLICTS} times in between`, {
    object: prefix,
    retryable: true,
    next: 'start it again',
  })
}

/** Signs the end of the chain and puts it into another store, where whoever writes the first cannot cut it off. */
export async function publishHead(context: CatalogContext, writer: string, elsewhere: Store): Promise<EvidenceHead> {
  const prefix = evidencePrefix(writer)
  const number = (await numbersBelow(context.store, prefix)).at(-1)
  if (number === undefined) throw new HoldfastError('NOT_FOUND', `there is no evidence of the writer ${writer}`, { object: prefix })
  const { record, digest } = await readRecord(context, evidenceSchema, numberedKey(prefix, number))
  const head: EvidenceHead = { format: 'holdfast/v1', type: 'evidence-head', writer, number, digest, at: record.at }
  await elsewhere.put(numberedKey(headsPrefix(writer), number), seal(context, headSchema, head).bytes, { ifAbsent: true })
  return head
}

/** Reads the whole chain. `headsIn` is where publishHead put heads: without it a cut at the end cannot be seen. */
export async function verifyEvidence(context: Reading, writer: string, headsIn?: Reader): Promise<ChainReport> {
  const prefix = evidencePrefix(writer)
  const numbers = await numbersBelow(context.store, prefix)
  const problems: ChainReport['problems'] = []
  const records = await mapConcurrently(numbers, (number) => readLink(context, prefix, writer, number))
  for (const [index, number] of numbers.entries()) {
    const key = numberedKey(prefix, number)
    const before = index === 0 ? 0 : (numbers[index - 1] as number)
    const { record, problem } = records[index] as Link
    if (problem) problems.push({ key, problem })
    if (number !== before + 1) problems.push({ key, problem: `records ${before + 1} to ${number - 1} before it are missing` })
    else if (record && record.previous !== records[index - 1]?.digest)
      problems.push({ key, problem: `it does not follow the record ${before} that stands before it` })
  }
  if (headsIn)
    problems.push(
      ...(await compareHeads(context, writer, headsIn, new Map(numbers.map((number, index) => [number, records[index]?.digest])))),
    )
  const last = records.at(-1)
  return { records: numbers.length, problems, ...(last ? { head: { number: numbers.at(-1) as number, digest: last.digest } } : {}) }
}

/** A record as it stands there; without `record` where it cannot be trusted. */
interface Link {
  digest: string
  record?: Evidence
  problem?: string
}

async function readLink(context: Reading, prefix: string, writer: string, number: number): Promise<Link> {
  const key = numberedKey(prefix, number)
  const bytes = await readAll(context.store, key)
  const digest = digestOf(bytes)
  try {
    const { record } = openRecord(context.verifier, evidenceSchema, key, bytes)
    if (record.writer === writer && record.number === number) return { digest, record }
    return { digest, problem: `it is record ${record.number} of ${record.writer}` }
  } catch (error) {
    if (error instanceof HoldfastError) return { digest, problem: messageOf(error) }
    throw error
  }
}

async function compareHeads(
  context: Reading,
  writer: string,
  headsIn: Reader,
  digests: Map<number, string | undefined>,
): Promise<ChainReport['problems']> {
  const prefix = headsPrefix(writer)
  const problems: ChainReport['problems'] = []
  for (const number of await numbersBelow(headsIn, prefix)) {
    const key = numberedKey(prefix, number)
    const { record } = await readRecord({ store: headsIn, verifier: context.verifier }, headSchema, key)
    const evidence = numberedKey(evidencePrefix(writer), record.number)
    if (!digests.has(record.number)) problems.push({ key: evidence, problem: `it is missing: the head of ${record.at} names it` })
    else if (digests.get(record.number) !== record.digest)
      problems.push({ key: evidence, problem: `it is another record than the one that the head of ${record.at} names` })
  }
  return problems
}

function isSame(record: Evidence, evidence: NewEvidence): boolean {
  const facts = ({ workflow, workflowId, runId, outcome, report }: NewEvidence) =>
    canonicalBytes(JSON.parse(JSON.stringify({ workflow, workflowId, runId, outcome, report })))
  return facts(record).equals(facts(evidence))
}

async function numbersBelow(store: Reader, prefix: string): Promise<number[]> {
  const numbers: number[] = []
  for await (const { key } of store.list(prefix)) {
    const number = numberOf(prefix, key)
    if (number !== undefined) numbers.push(number)
  }
  return numbers
}
