/** Consumers that a snapshot left out, made again where their record says that they stood. */
import { type ConsumerInfo, isLasting, type StreamConfig, without } from './answers.ts'
import { type JetStream, listConsumers } from './jetstream.ts'

/** Makes the lasting ones that are missing; gives their names. What was delivered and not acknowledged is delivered again. */
export async function addMissing(js: JetStream, config: StreamConfig, recorded: readonly ConsumerInfo[]): Promise<string[]> {
  const present = new Set((await listConsumers(js, config.name)).map(({ name }) => name))
  const missing = recorded.filter((consumer) => isLasting(consumer) && !present.has(consumer.name))
  for (const consumer of missing) {
    await js.ask(`CONSUMER.DURABLE.CREATE.${config.name}.${consumer.name}`, {
      stream_name: config.name,
      config: { ...without(consumer.config, ['opt_start_seq', 'opt_start_time', 'num_replicas']), ...beginning(config, consumer) },
    })
  }
  return missing.map(({ name }) => name)
}

/** A work queue holds only what is not acknowledged, and lets its consumers begin nowhere else. */
function beginning({ retention }: StreamConfig, { ack_floor: { stream_seq } }: ConsumerInfo): object {
  if (retention === 'workqueue') return { deliver_policy: 'all' }
  return { deliver_policy: 'by_start_sequence', opt_start_seq: stream_seq + 1 }
}
