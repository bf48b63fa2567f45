/** What an operator has to know after a restore over live streams, because the engine does not do it. */
import type { StreamConfig, StreamState } from './answers.ts'
import { isLasting } from './answers.ts'
import type { ConsumersRecord } from './records.ts'

interface Restored {
  config: StreamConfig
  state: StreamState
  record: ConsumersRecord
}

export function notesOf(streams: readonly Restored[]): string[] {
  const named = (which: (one: Restored) => boolean) => streams.filter(which).map(({ config }) => config.name)
  const about = (names: string[], say: (names: string) => string) => (names.length === 0 ? [] : [say(names.join(', '))])
  return [
    ...about(
      named(({ config }) => !config.mirror && config.duplicate_window !== 0),
      (names) => `no message ids from before are remembered: what a publisher sends again now is stored twice (${names})`,
    ),
    ...about(named(isAged), (names) => `messages older than the max_age of their stream go at once: ${names}`),
    ...about(
      named(({ record }) => record.consumers.some((consumer) => !isLasting(consumer))),
      (names) =>
        `consumers without a durable name, or that go when nobody uses them, may be gone: their clients make them again (${names})`,
    ),
    ...about(
      named(({ record }) => record.consumers.some(({ num_ack_pending }) => num_ack_pending > 0)),
      (names) => `what was delivered and not acknowledged may be delivered again: ${names}`,
    ),
    'streams of other accounts and domains that source from these cannot be seen from here: they fetch everything again',
  ]
}

const isAged = ({ config: { max_age }, state }: Restored): boolean =>
  max_age > 0 && state.messages > 0 && Date.parse(state.first_ts) + max_age / 1e6 < Date.now()
