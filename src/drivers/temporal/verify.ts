/** Every assertion of a proof, on a scratch namespace that a restore filled and on the histories beside it. */
import { readFile } from 'node:fs/promises'
import { canonicalBytes, digestOf } from '../../catalog/canonical.ts'
import { messageOf } from '../../core/errors.ts'
import type { Assertion, Inventory, Manifest } from '../../core/records.ts'
import type { DriverContext, DriverWiring, Target, UserAssertion } from '../driver.ts'
import type { TemporalSourceConfig } from './config.ts'
import type { Session } from '../../temporal/namespace-session.ts'
import { bundleAssertions } from './verify-bundles.ts'
import { findNamespace, namespaceFacts, readAttributes } from './namespace.ts'
import { openRunsIn } from './open-runs.ts'
import { histories } from './read-bundle.ts'
import { ask, isReplay } from './questions.ts'
import { type Kept, keptFile } from './restore.ts'
import { definitionOf, findSchedules, isPaused, listSchedules, type ScheduleRecord } from './schedules.ts'
import { withScratch } from './scratch.ts'

export interface VerifyOptions {
  depth: 'restore' | 'full'
  assertions: readonly UserAssertion[]
}

interface Verification {
  config: TemporalSourceConfig
  session: Session
  context: DriverContext
  manifest: Manifest
  target: Target
  kept: Kept
}

export async function verify(
  config: TemporalSourceConfig,
  wiring: Pick<DriverWiring, 'secret'>,
  context: DriverContext,
  manifest: Manifest,
  target: Target,
  options: VerifyOptions,
): Promise<Assertion[]> {
  let answered = false
  try {
    return await withScratch(config, wiring, target.dir, context.signal, async (session) => {
      answered = true
      const kept = JSON.parse(await readFile(keptFile(target.dir), 'utf8')) as Kept
      return assertionsOf({ config, session, context, manifest, target, kept }, options)
    })
  } catch (error) {
    if (answered || context.signal.aborted) throw error
    return [{ name: 'engine', ok: false, expected: 'answers', actual: messageOf(error) }]
  }
}

async function assertionsOf(on: Verification, { depth, assertions }: VerifyOptions): Promise<Assertion[]> {
  const found = [
    { name: 'engine', ok: true, expected: 'answers', actual: 'answers' },
    ...(await settingsAssertions(on)),
    ...(await scheduleAssertions(on)),
    ...(await runAssertions(on, depth)),
  ]
  for (const assertion of assertions) found.push(await ask(on, assertion))
  if (depth === 'full' && !assertions.some(isReplay) && on.kept.wanted.histories) found.push(REPLAY_NOT_ASKED)
  return found
}

/** Green, since nothing is wrong: it keeps a reader of the proof from taking structure for more than it is. */
const REPLAY_NOT_ASKED: Assertion = {
  name: 'replayability',
  ok: true,
  expected: 'histories are whole; not replayed',
  actual: 'by structure only: no assertion names workflow code to replay them with',
}

export function same(name: string, expected: unknown, actual: unknown): Assertion {
  const [wanted, found] = [expected, actual].map((value) => (typeof value === 'string' ? value : canonicalBytes(value).toString('utf8')))
  return { name, ok: wanted === found, expected: wanted ?? '', actual: found ?? '' }
}

async function settingsAssertions({ session, manifest, kept }: Verification): Promise<Assertion[]> {
  const inventory: Inventory = manifest.inventory ?? {}
  const there = await findNamespace(session)
  return [
    same('namespace', inventory['namespace'] ?? 'in the manifest', there ? namespaceFacts(there) : `no namespace ${session.namespace}`),
    same('search attributes', inventory['search attributes'] ?? 'in the manifest', await readAttributes(session)),
    same('what was stored of the namespace', inventory['namespace'] ?? '', namespaceFacts(kept.namespace)),
  ]
}

async function scheduleAssertions({ session, manifest, kept }: Verification): Promise<Assertion[]> {
  if (!kept.wanted.schedules) return []
  const digests = kept.schedules.map(definitionOf).sort()
  const stored = {
    schedules: digests.length,
    paused: kept.schedules.filter(isPaused).length,
    digest: digestOf(canonicalBytes(digests)),
  }
  const found: ScheduleRecord[] = []
  for await (const record of findSchedules(session, kept.schedules)) if (record) found.push(record)
  const restored = new Map(found.map((record) => [record.id, definitionOf(record)]))
  const differing = kept.schedules.filter((record) => restored.get(record.id) !== definitionOf(record))
  const wanted = new Set(kept.schedules.map(({ id }) => id))
  const extra: string[] = []
  for await (const { id } of listSchedules(session)) if (!wanted.has(id)) extra.push(id)
  const equal = `${wanted.size} as they were`
  return [
    same('what was stored of the schedules', manifest.inventory?.['schedules'] ?? '', stored),
    same('schedules', equal, differing.length === 0 ? equal : `missing or not the same: ${names(differing)}`),
    same('no schedule runs', 'none', names(found.filter((record) => !isPaused(record)))),
    same('no other schedules', 'none', names(extra.map((id) => ({ id })))),
  ]
}

const names = (records: readonly { id: string }[]): string =>
  records
    .map(({ id }) => id)
    .sort()
    .join(', ') || 'none'

async function runAssertions(on: Verification, depth: 'restore' | 'full'): Promise<Assertion[]> {
  const { manifest, target, kept, context } = on
  if (!kept.wanted.histories) return []
  const found = await bundleAssertions(context, manifest, target.dir, depth)
  return kept.wanted.open ? [...found, await startedAssertion(on)] : found
}

/** Each goes on there again; children are left to their parents. */
async function startedAssertion({ session, manifest, target }: Verification): Promise<Assertion> {
  const missing: string[] = []
  let wanted = 0
  for await (const { line, events } of openRunsIn(manifest, (part) => histories(target.dir, part))) {
    if (events[0]?.workflowExecutionStartedEventAttributes?.parentWorkflowExecution) continue
    wanted += 1
    const { workflowId } = line
    const there = await session
      .ask(({ workflowService }) => workflowService.describeWorkflowExecution({ namespace: session.namespace, execution: { workflowId } }))
      .catch(() => undefined)
    if (there?.workflowExecutionInfo?.type?.name !== line.type) missing.push(workflowId)
  }
  return same('open runs', `${wanted} started again`, missing.length === 0 ? `${wanted} started again` : `not there: ${missing.join(', ')}`)
}
