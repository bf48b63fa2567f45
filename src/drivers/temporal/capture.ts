/** An export of a namespace: how it is set up, its schedules, and the histories of its runs, of an incremental only of those that ended since. */
import { Readable } from 'node:stream'
import { canonicalBytes, digestOf } from '../../catalog/canonical.ts'
import { seconds } from '../../core/duration.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact, Inventory, Manifest } from '../../core/records.ts'
import { partOf } from '../common/part.ts'
import type { ArtifactSink, Captured, CaptureRequest, DriverContext } from '../driver.ts'
import { type BundleLimits, type StoredBundles, storeBundles } from './bundles.ts'
import type { TemporalSourceConfig } from './config.ts'
import { type Place, type Session, withTemporal } from '../../temporal/namespace-session.ts'
import { ENDED, fetchHistory, type FetchedHistory } from './history.ts'
import { inOrder } from '../common/in-order.ts'
import type { ExecutionInfo } from '../../temporal/messages.ts'
import { namespaceFacts, readAttributes, readNamespace } from './namespace.ts'
import { type Extent, type Group, indexPart, PARTS, totalOf } from './records.ts'
import { definitionOf, isPaused, readSchedules } from './schedules.ts'

/** Small enough to be read at once, large enough that a million runs are hundreds of objects. */
export const BUNDLE: BundleLimits = { histories: 2000, bytes: 32 * 1024 * 1024 }

interface Work {
  session: Session
  config: TemporalSourceConfig
  context: DriverContext
  sink: ArtifactSink
  limits: BundleLimits
  /** How many runs went between the list and their history. */
  gone: number
  fetched: number
}

export interface CaptureOptions {
  config: TemporalSourceConfig
  place: Place
  limits?: BundleLimits
}

export async function capture(
  { config, place, limits = BUNDLE }: CaptureOptions,
  context: DriverContext,
  { kind, base }: CaptureRequest,
  sink: ArtifactSink,
): Promise<Captured> {
  const time = new Date().toISOString()
  try {
    return await withTemporal(place, context.signal, async (session) => {
      const work: Work = { session, config, context, sink, limits, gone: 0, fetched: 0 }
      context.onProgress({ phase: 'namespace' })
      const small = await captureSettings(work)
      const runs = await captureRuns(work, kind === 'incremental' ? base : undefined)
      const artifacts = [...small.artifacts, ...runs.taken, ...runs.stored]
      const total = (count: (artifact: Artifact) => number, of = artifacts) => of.reduce((sum, artifact) => sum + count(artifact), 0)
      return {
        artifacts,
        consistency: { time, ...runs.extent },
        inventory: { ...small.inventory, ...inventoryOf(config, runs.extent) },
        sizeBytes: total(({ plainBytes = 0 }) => plainBytes),
        storedBytes: total(({ storedBytes }) => storedBytes, [...small.artifacts, ...runs.stored]),
        fileCount: artifacts.length,
        warnings: work.gone > 0 ? [`${work.gone} runs went while they were read: the retention of the namespace had ended`] : [],
      }
    })
  } catch (error) {
    throw context.signal.aborted
      ? new HoldfastError('CANCELLED', 'the export was cancelled', { object: place.namespace, cause: error })
      : error
  }
}

async function captureSettings({ session, sink }: Work): Promise<{ artifacts: Artifact[]; inventory: Inventory }> {
  const namespace = await readNamespace(session)
  const attributes = await readAttributes(session)
  const json = (value: unknown) => Buffer.from(JSON.stringify(value, null, 2))
  const digests: string[] = []
  let paused = 0
  async function* lines(): AsyncGenerator<string> {
    for await (const record of readSchedules(session)) {
      digests.push(definitionOf(record))
      if (isPaused(record)) paused += 1
      yield `${JSON.stringify(record)}\n`
    }
  }
  const artifacts = [
    await sink.storeBytes({ ...PARTS.namespace, bytes: json(namespace) }),
    await sink.storeBytes({ ...PARTS.attributes, bytes: json(attributes) }),
    await sink.storeStream({ ...PARTS.schedules, stream: Readable.from(bytesOf(lines()), { objectMode: false }) }),
  ]
  const schedules = { schedules: digests.length, paused, digest: digestOf(canonicalBytes(digests.sort())) }
  return { artifacts, inventory: { namespace: namespaceFacts(namespace), 'search attributes': attributes, schedules } }
}

async function* bytesOf(lines: AsyncIterable<string>): AsyncGenerator<Buffer> {
  for await (const line of lines) yield Buffer.from(line)
}

interface Runs {
  taken: Artifact[]
  stored: Artifact[]
  extent: Extent
}

const anyOf = (statuses: readonly string[]): string => `(${statuses.map((status) => `ExecutionStatus = "${status}"`).join(' OR ')})`
const noneOf = (statuses: readonly string[]): string => statuses.map((status) => `ExecutionStatus != "${status}"`).join(' AND ')

/**
 * First what is open, then what has ended: a run that ends in between is in both, and none is in neither. Comparisons of
 * CloseTime never stand alone: SQLite finds runs in them that have none.
 */
async function captureRuns(work: Work, base: Manifest | undefined): Promise<Runs> {
  const { histories } = work.config
  const before = base && (base.consistency as Partial<Extent>)
  const taken = base && histories.closed && before?.bundles ? takenOver(base, before.bundles) : { artifacts: [], bundles: {} }
  const stored: StoredBundles[] = []
  const store = async (group: Group, query: string) => {
    const from = Object.keys(taken.bundles).filter((part) => part.startsWith(`${group}/`)).length + 1
    stored.push(await storeBundles(work.sink, group, historiesOf(work, group, query), work.limits, from))
  }
  if (histories.open) await store('open', noneOf(ENDED))
  const since = before?.through
  const through = histories.closed ? await settledUntil(work, since) : undefined
  if (histories.closed) {
    const recent = through === undefined ? '' : ` AND CloseTime >= "${through}"`
    await store('recent', `${anyOf(ENDED)}${recent}`)
    const from = since === undefined ? '' : ` AND CloseTime >= "${since}"`
    if (through !== undefined) await store('closed', `${anyOf(ENDED)} AND CloseTime < "${through}"${from}`)
  }
  return {
    taken: taken.artifacts,
    stored: stored.flatMap(({ artifacts }) => artifacts),
    extent: {
      ...(through !== undefined && { through }),
      bundles: Object.assign({}, taken.bundles, ...stored.map(({ bundles }) => bundles)),
    },
  }
}

/** Bundles that the base stores already, of runs that will never change again. */
function takenOver(base: Manifest, bundles: Extent['bundles']): StoredBundles {
  const settled = Object.entries(bundles).filter(([, { group }]) => group === 'closed')
  return {
    bundles: Object.fromEntries(settled),
    artifacts: settled.flatMap(([part]) => [partOf(base, part), partOf(base, indexPart(part))]),
  }
}

/**
 * Everything that ended before it is in the list by now. Reckoned from the newest end that the list shows, which is by the
 * clock of the server: clocks of workers may differ from it.
 */
async function settledUntil(work: Work, since: string | undefined): Promise<string | undefined> {
  const { executions } = await listPage(work.session, anyOf(ENDED), new Uint8Array())
  const newest = Math.max(
    ...executions.map(({ closeTime }) => Number(closeTime?.seconds ?? 0) * 1000 + Math.floor((closeTime?.nanos ?? 0) / 1e6)),
  )
  if (executions.length === 0) return since
  const settled = new Date(newest - seconds(work.config.settle) * 1000).toISOString()
  return since !== undefined && since > settled ? since : settled
}

const listPage = ({ ask, namespace }: Session, query: string, nextPageToken: Uint8Array) =>
  ask(({ workflowService }) => workflowService.listWorkflowExecutions({ namespace, query, pageSize: 1000, nextPageToken }))

async function* listed(session: Session, query: string): AsyncGenerator<ExecutionInfo> {
  let nextPageToken: Uint8Array = new Uint8Array()
  do {
    const page = await listPage(session, query, nextPageToken)
    yield* page.executions
    nextPageToken = page.nextPageToken
  } while (nextPageToken.length > 0)
}

/** Together they may be as large as one that is as large as can be. */
const IN_FLIGHT = 64 * 1024 * 1024

async function* historiesOf(work: Work, group: Group, query: string): AsyncGenerator<FetchedHistory> {
  const { session, context, config } = work
  const weight = ({ historySizeBytes }: ExecutionInfo) => Number(historySizeBytes ?? 0)
  const how = { width: config.concurrency, weight, most: IN_FLIGHT }
  for await (const history of inOrder(listed(session, query), how, (info) => fetchHistory(session, info))) {
    if (!history) work.gone += 1
    else {
      work.fetched += 1
      if (work.fetched % 50 === 1) context.onProgress({ phase: `${group} runs`, parts: work.fetched })
      yield history
    }
  }
}

function inventoryOf({ histories }: TemporalSourceConfig, { bundles }: Extent): Inventory {
  return {
    ...(histories.open && { 'open runs': totalOf(bundles, ['open']) }),
    ...(histories.closed && { 'closed runs': totalOf(bundles, ['closed', 'recent']) }),
  }
}
