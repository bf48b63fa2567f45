/** What a stream and its consumers were when they were captured, as facts that a proof compares: exact where nothing left meanwhile, else bounds. */
import type { ConsumerConfig, ConsumerInfo, StreamConfig, StreamInfo, StreamState } from './answers.ts'
import { isLasting, without } from './answers.ts'
import type { Content } from './content.ts'
import { createUnorderedDigest } from '../common/unordered-digest.ts'
import { digestOf } from './digests.ts'
import { type JetStream, streamInfo } from './jetstream.ts'
import { holds } from './select.ts'

export type Facts = Record<string, string | number>

export interface Captured {
  config: StreamConfig
  /** As the snapshot began. */
  taken: StreamState
  /** After everything was read, with the list of what was deleted. */
  after: StreamInfo
  consumers: Positions[]
  /** A snapshot of older servers may hold messages that came later. */
  exact: boolean
  content?: Content
  subjects?: Subjects
}

/** A consumer just before the snapshot, and after it. */
export interface Positions {
  before: ConsumerInfo
  after: ConsumerInfo
}

export interface Subjects {
  count: number
  digest: string
}

/** A stream that never had a message says 0, and 1 once it was restored. */
export const firstOf = ({ first_seq }: StreamState): number => Math.max(1, first_seq)

/** How many of the messages that the snapshot began with have gone since: at most, since later ones may have gone too. */
export function removedSince({ taken, after: { state } }: Pick<Captured, 'taken' | 'after'>): number {
  return Math.max(0, taken.messages + state.last_seq - taken.last_seq - state.messages)
}

export function streamFacts(captured: Captured): Facts {
  const { config, taken, after, content, exact } = captured
  const lasting = captured.consumers.filter(({ before }) => isLasting(before)).length
  const common = { holds: holds(config.name), messages: taken.messages, firstSeq: firstOf(taken), lastSeq: taken.last_seq }
  const compared = content && { content: content.digest, contentMessages: content.messages }
  return {
    ...common,
    ...exactness(captured),
    config: configDigest(config),
    consumers: lasting,
    ...compared,
    ...later(exact, taken, after.state),
  }
}

function exactness({ config, taken, after: { state }, content, subjects, exact }: Captured): Facts {
  const removed = removedSince({ taken, after: { state } as StreamInfo })
  const added = state.last_seq - taken.last_seq
  // Messages with a time of their own are dropped by a restore that comes later.
  if (removed > 0 || config.allow_msg_ttl || !(exact || added === 0)) {
    const least = content?.messages ?? (config.allow_msg_ttl ? 0 : Math.max(0, taken.messages - removed))
    const firstSeqUpTo = config.allow_msg_ttl
      ? taken.last_seq + 1
      : Math.max(taken.first_seq, Math.min(state.first_seq, taken.last_seq + 1))
    return { messagesAtLeast: least, firstSeqUpTo }
  }
  const deleted = state.deleted?.filter((seq) => seq <= taken.last_seq)
  return {
    // In memory a message takes up another space.
    ...(config.storage === 'file' && { bytes: taken.bytes }),
    deleted: taken.num_deleted ?? 0,
    ...(deleted && { deletedDigest: digestOf(deleted) }),
    ...(added === 0 && subjects && { subjects: subjects.count, subjectsDigest: subjects.digest }),
  }
}

function later(exact: boolean, taken: StreamState, after: StreamState): Facts {
  const added = after.last_seq - taken.last_seq
  return exact || added === 0 ? {} : { messagesUpTo: taken.messages + added, lastSeqUpTo: after.last_seq }
}

/** By sequences of the stream: those of the consumer begin anew where it had to be made again. */
export function consumerFacts({ before, after }: Positions, taken: StreamState, clustered: boolean): Facts {
  const floor = Math.min(before.ack_floor.stream_seq, taken.last_seq)
  const floorUpTo = Math.min(after.ack_floor.stream_seq, taken.last_seq)
  // In a cluster a snapshot does not know which of the delivered messages are not acknowledged: all of them come again.
  const delivered = clustered && before.num_ack_pending > 0 ? floor : Math.min(before.delivered.stream_seq, taken.last_seq)
  const deliveredUpTo = Math.min(after.delivered.stream_seq, taken.last_seq)
  return {
    ackFloor: floor,
    ...(floorUpTo > floor && { ackFloorUpTo: floorUpTo }),
    delivered,
    ...(deliveredUpTo > delivered && { deliveredUpTo }),
    config: consumerDigest(before.config),
  }
}

/** What a restore elsewhere may have to change, or the server writes itself. */
const ELSEWHERE = [
  ...['metadata', 'num_replicas', 'placement', 'republish', 'storage', 'max_bytes', 'subjects', 'sources', 'mirror', 'mirror_direct'],
  ...['max_age', 'duplicate_window', 'allow_msg_ttl', 'subject_delete_marker_ttl', 'allow_msg_schedules'],
]
/** And where a consumer that is made again begins. */
const BEGINNING = ['metadata', 'num_replicas', 'pause_until', 'deliver_policy', 'opt_start_seq', 'opt_start_time']

export const configDigest = (config: StreamConfig): string => digestOf(said(without(config, ELSEWHERE)))
export const consumerDigest = (config: ConsumerConfig): string => digestOf(said(without(config, BEGINNING)))

/** A newer server shows more fields, which say that something is not so. */
function said(config: Record<string, unknown>): Record<string, unknown> {
  const nothing = ['false', '0', '-1', '""', 'null', '{}', '[]', '"none"']
  return Object.fromEntries(Object.entries(config).filter(([, value]) => !nothing.includes(JSON.stringify(value))))
}

/** Of the counts of all subjects, page by page. */
export async function subjectsOf(js: JetStream, stream: string): Promise<Subjects> {
  const sum = createUnorderedDigest()
  let count = 0
  for (;;) {
    const { state } = await streamInfo(js, stream, { subjects_filter: '>', offset: count })
    const page = Object.entries(state.subjects ?? {})
    for (const entry of page) sum.addDigest(digestOf(entry))
    count += page.length
    if (page.length === 0 || count >= (state.num_subjects ?? 0)) return { count, digest: sum.hex() }
  }
}
