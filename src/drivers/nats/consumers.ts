/** Consumers that a snapshot left out, made again where their record says that they stood. */
import { type ConsumerInfo, isLasting, type StreamConfig, without } from './answers.ts'
import { until } from '../../process/wait.ts'
import type { ConsumersRecord } from './records.ts'
import { isClustered, type JetStream, listConsumers } from './jetstream.ts'

type Recorded = Pick<ConsumersRecord, 'consumers' | 'apart'>

/** A cluster shows the consumers of a snapshot some time after it has answered that all is restored. */
const SHOWN_MS = 5_000

/** Makes the lasting ones that are missing; gives their names. What was delivered and not acknowledged is delivered again. */
export async function addMissing(js: JetStream, config: StreamConfig, { consumers, apart }: Recorded): Promise<string[]> {
  let missing: ConsumerInfo[] = []
  const complete = async () => {
    const present = new Set((await listConsumers(js, config.name)).map(({ name }) => name))
    missing = consumers.filter((consumer) => isLasting(consumer) && !present.has(consumer.name))
    return missing.length === 0 || apart === true || !isClustered(js)
  }
  await until(complete, { timeoutMs: SHOWN_MS, everyMs: 200, what: `the consumers of ${config.name}` }).catch((error: unknown) => {
    if (missing.length === 0) throw error
  })
  for (const consumer of missing) {
    await js.ask(`CONSUMER.DURABLE.CREATE.${config.name}.${consumer.name}`, {
      stream_name: config.name,
      config: {
        ...without(consumer.config, ['opt_start_seq', 'opt_start_time']),
        ...beginning(config, consumer),
        num_replicas: Math.min(Number(consumer.config['num_replicas'] ?? 0), config.num_replicas),
      },
    })
  }
  return missing.map(({ name }) => name)
}

/** A work queue holds only what is not acknowledged, and lets its consumers begin nowhere else. */
function beginning({ retention }: StreamConfig, { ack_floor: { stream_seq } }: ConsumerInfo): object {
  if (retention === 'workqueue') return { deliver_policy: 'all' }
  return { deliver_policy: 'by_start_sequence', opt_start_seq: stream_seq + 1 }
}
