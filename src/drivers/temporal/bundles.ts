/** Histories in bundles of bounded size, each with an index: one after the other, each preceded by its length, as protobuf's delimited format has it. */
import { Readable } from 'node:stream'
import { Writer } from 'protobufjs'
import { digestOf } from '../../catalog/canonical.ts'
import type { Artifact } from '../../core/records.ts'
import type { ArtifactSink } from '../driver.ts'
import type { FetchedHistory } from './history.ts'
import { timeText } from '../../temporal/messages.ts'
import { type BundleRecord, bundlePart, type Group, type IndexLine, indexPart, ROLES } from './records.ts'

export interface BundleLimits {
  histories: number
  bytes: number
}

export interface StoredBundles {
  artifacts: Artifact[]
  bundles: Record<string, BundleRecord>
}

/** `from` is the number of the first. Reads the histories to their end, and no further ahead than one bundle. */
export async function storeBundles(
  sink: ArtifactSink,
  group: Group,
  histories: AsyncGenerator<FetchedHistory>,
  limits: BundleLimits,
  from: number,
): Promise<StoredBundles> {
  const stored: StoredBundles = { artifacts: [], bundles: {} }
  try {
    for (let number = from; ; number += 1) {
      const next = await histories.next()
      if (next.done) return stored
      const part = bundlePart(group, number)
      const lines: IndexLine[] = []
      const stream = Readable.from(delimited(next.value, histories, limits, lines), { objectMode: false })
      stored.artifacts.push(await sink.storeStream({ part, role: ROLES.bundle, required: true, stream }))
      const index = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
      stored.artifacts.push(await sink.storeBytes({ part: indexPart(part), role: ROLES.index, required: true, bytes: index }))
      stored.bundles[part] = recordOf(group, lines, digestOf(index))
    }
  } finally {
    await histories.return(undefined)
  }
}

async function* delimited(
  first: FetchedHistory,
  rest: AsyncGenerator<FetchedHistory>,
  limits: BundleLimits,
  lines: IndexLine[],
): AsyncGenerator<Buffer> {
  let bytes = 0
  for (let history: FetchedHistory | undefined = first; history; ) {
    yield Buffer.from(Writer.create().uint32(history.bytes.length).finish())
    yield history.bytes
    lines.push(lineOf(history))
    bytes += history.bytes.length
    if (lines.length >= limits.histories || bytes >= limits.bytes) return
    const next: IteratorResult<FetchedHistory> = await rest.next()
    history = next.done ? undefined : next.value
  }
}

function lineOf({ info, bytes, events, status }: FetchedHistory): IndexLine {
  const [start, close] = [timeText(info.startTime), timeText(info.closeTime)]
  return {
    workflowId: info.execution?.workflowId ?? '',
    runId: info.execution?.runId ?? '',
    type: info.type?.name ?? '',
    taskQueue: info.taskQueue ?? '',
    status,
    ...(start !== undefined && { start }),
    ...(close !== undefined && { close }),
    events,
    bytes: bytes.length,
    blake3: digestOf(bytes),
  }
}

export function recordOf(group: Group, lines: readonly IndexLine[], index: string): BundleRecord {
  const statuses: Record<string, number> = {}
  for (const { status } of lines) statuses[status] = (statuses[status] ?? 0) + 1
  return { group, histories: lines.length, events: lines.reduce((sum, { events }) => sum + events, 0), statuses, index }
}
