/** Histories through the workflow code that made them, in a process of its own: a worker's library stays out of this one. */
import { readFile, writeFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Assertion, Manifest } from '../../core/records.ts'
import { run } from '../../process/run.ts'
import type { DriverContext, Target } from '../driver.ts'
import { linesIn } from './read-bundle.ts'
import type { ReplayOrder, ReplayVerdict } from '../../temporal/replay-program.ts'

export interface ReplayQuestion {
  workflowsPath: string
  sample?: number
  types?: readonly string[]
}

const TIME_MS = 15 * 60_000

export async function replay(
  { context, manifest, target }: { context: DriverContext; manifest: Manifest; target: Target },
  { workflowsPath, sample = 20, types }: ReplayQuestion,
): Promise<Omit<Assertion, 'name'>> {
  const chosen = await choose(manifest, target.dir, sample, types)
  const expected = `${chosen.length} histories replay with ${workflowsPath}`
  if (chosen.length === 0) return { ok: false, expected: 'histories to replay', actual: 'the point has none' }
  context.onProgress({ phase: 'replay' })
  const file = join(target.dir, 'replay.ndjson')
  await writeFile(file, '')
  const order: ReplayOrder = { workflowsPath, verdicts: file, histories: chosen }
  const program = fileURLToPath(new URL(`../../temporal/replay-program${extname(fileURLToPath(import.meta.url))}`, import.meta.url))
  const command = { program: process.execPath, args: [program], cwd: target.dir, stdin: JSON.stringify(order) }
  await run(command, { signal: context.signal, timeoutMs: TIME_MS })
  const verdicts = (await readFile(file, 'utf8')).split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as ReplayVerdict]))
  const broken = verdicts.flatMap(({ run: of, error }) => (error === undefined ? [] : [`${of}: ${error}`]))
  const ok = broken.length === 0 && verdicts.length === chosen.length
  return { ok, expected, actual: ok ? expected : broken.slice(0, 3).join('; ') || `${verdicts.length} of ${chosen.length} were replayed` }
}

/** The newest of each type, then the next newest of each, until there are enough. */
async function choose(
  manifest: Manifest,
  dir: string,
  sample: number,
  types: readonly string[] | undefined,
): Promise<ReplayOrder['histories']> {
  const byType = new Map<string, { start: string; history: ReplayOrder['histories'][number] }[]>()
  for await (const { line, file, at } of linesIn(manifest, dir)) {
    if (types && !types.includes(line.type)) continue
    const ofType = byType.get(line.type) ?? []
    byType.set(line.type, ofType)
    ofType.push({ start: line.start ?? '', history: { workflowId: line.workflowId, runId: line.runId, type: line.type, file, at } })
    // No more than could be taken of it: the index of a namespace may be long.
    if (ofType.length > 2 * sample) keepNewest(ofType, sample)
  }
  for (const ofType of byType.values()) keepNewest(ofType, sample)
  const rounds = Array.from({ length: sample }, (_, round) => [...byType.values()].flatMap((ofType) => ofType[round]?.history ?? []))
  return rounds.flat().slice(0, sample)
}

function keepNewest(runs: { start: string }[], count: number): void {
  runs.sort((a, b) => (a.start < b.start ? 1 : -1)).splice(count)
}
