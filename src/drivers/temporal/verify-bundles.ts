/** Whether the histories of a point are all there and whole. */
import { stat } from 'node:fs/promises'
import { digestOf } from '../../catalog/canonical.ts'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import type { Assertion, Manifest } from '../../core/records.ts'
import type { DriverContext } from '../driver.ts'
import { recordOf } from './bundles.ts'
import { examine, statusOf } from './history.ts'
import { histories, readBundle, readIndex } from './read-bundle.ts'
import { type BundleRecord, extentOf, type Group, type IndexLine, totalOf } from './records.ts'

const KINDS: readonly { name: string; groups: readonly Group[] }[] = [
  { name: 'open runs', groups: ['open'] },
  { name: 'closed runs', groups: ['closed', 'recent'] },
]

/** Counts by the indexes; at depth full each history is decoded, counted and compared by its digest. */
export async function bundleAssertions(
  context: DriverContext,
  manifest: Manifest,
  dir: string,
  depth: 'restore' | 'full',
): Promise<Assertion[]> {
  const { bundles } = extentOf(manifest)
  const found: Assertion[] = []
  for (const { name, groups } of KINDS) {
    const expected = manifest.inventory?.[name]
    if (!expected) continue
    const problems: string[] = []
    const read: Record<string, BundleRecord> = {}
    for (const [part, { group }] of Object.entries(bundles)) {
      if (!groups.includes(group)) continue
      context.onProgress({ phase: `compare ${part}` })
      const { record, problem } = await look(context, histories(dir, part), group, depth)
      if (record) read[part] = record
      if (problem !== undefined) problems.push(`${part}: ${problem}`)
    }
    const actual = totalOf(read, groups)
    found.push({
      name,
      ok: JSON.stringify(sorted(expected)) === JSON.stringify(sorted(actual)),
      expected: text(expected),
      actual: text(actual),
    })
    const whole = depth === 'full' ? 'every history decodes, lacks no event and has its digest' : 'every bundle is there'
    found.push({
      name: `histories of ${name}`,
      ok: problems.length === 0,
      expected: whole,
      actual: problems.slice(0, 5).join('; ') || whole,
    })
  }
  return found
}

const sorted = (facts: object) => Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1))
const text = (facts: object): string =>
  sorted(facts)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')

async function look(
  context: DriverContext,
  file: string,
  group: Group,
  depth: 'restore' | 'full',
): Promise<{ record?: BundleRecord; problem?: string }> {
  try {
    const { lines, bytes } = await readIndex(file)
    const record = recordOf(group, lines, digestOf(bytes))
    const problem = depth === 'full' ? await readThrough(context, file, lines) : await sizeOf(file)
    return { record, ...(problem !== undefined && { problem }) }
  } catch (error) {
    if (context.signal.aborted) throw error
    return { problem: messageOf(error) }
  }
}

const sizeOf = async (file: string): Promise<string | undefined> => ((await stat(file)).size > 0 ? undefined : 'it is empty')

async function readThrough(context: DriverContext, file: string, lines: readonly IndexLine[]): Promise<string | undefined> {
  let at = 0
  for await (const bytes of readBundle(file)) {
    if (context.signal.aborted) throw new HoldfastError('CANCELLED', 'the comparison was cancelled', { object: file })
    if (at % 200 === 0) context.onProgress({ phase: 'compare histories', parts: at })
    const line = lines[at++]
    const problem = line ? wrongWith(bytes, line) : 'more histories than its index has'
    if (problem !== undefined) return line ? `${line.workflowId}/${line.runId}: ${problem}` : problem
  }
  return at === lines.length ? undefined : `${at} histories, its index has ${lines.length}`
}

function wrongWith(bytes: Buffer, { blake3, events: count, status }: IndexLine): string | undefined {
  if (digestOf(bytes) !== blake3) return 'its bytes are not those of the capture'
  const { events, problem } = examine(bytes)
  if (problem !== undefined) return problem
  if (events.length !== count) return `${events.length} events, ${count} in the index`
  const now = statusOf(events.at(-1))
  return now === status ? undefined : `it is ${now}, ${status} in the index`
}
