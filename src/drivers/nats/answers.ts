/** What the JetStream API answers, as far as it is looked at here; what else there is in a configuration is passed on as it came. */

export interface StreamSource {
  name: string
  opt_start_seq?: number
  opt_start_time?: string
  filter_subject?: string
  external?: { api: string; deliver?: string }
  [field: string]: unknown
}

export interface StreamConfig {
  name: string
  subjects?: string[]
  storage: 'file' | 'memory'
  retention: 'limits' | 'interest' | 'workqueue'
  max_age: number
  max_bytes: number
  num_replicas: number
  duplicate_window?: number
  allow_msg_ttl?: boolean
  mirror?: StreamSource
  sources?: StreamSource[]
  metadata?: Record<string, string>
  [field: string]: unknown
}

export interface StreamState {
  messages: number
  bytes: number
  first_seq: number
  last_seq: number
  first_ts: string
  last_ts: string
  num_subjects?: number
  num_deleted?: number
  deleted?: number[] | null
  subjects?: Record<string, number> | null
  consumer_count: number
}

export interface StreamInfo {
  config: StreamConfig
  state: StreamState
  created: string
  cluster?: { name?: string; replicas?: unknown[] | null }
  sources?: { name: string; seq?: number; filter_subject?: string; external?: unknown; subject_transforms?: unknown }[] | null
}

export interface Page {
  total: number
  offset: number
  limit: number
  /** Those that nobody answered for. */
  missing?: string[] | null
}

export interface ConsumerConfig {
  name?: string
  durable_name?: string
  deliver_policy: string
  inactive_threshold?: number
  metadata?: Record<string, string>
  [field: string]: unknown
}

interface SequencePair {
  consumer_seq: number
  stream_seq: number
}

export interface ConsumerInfo {
  name: string
  config: ConsumerConfig
  delivered: SequencePair
  ack_floor: SequencePair
  num_ack_pending: number
}

/** Which version the server of a stream has says only its configuration. */
export const serverOf = ({ config }: StreamInfo): string | undefined => config.metadata?.['_nats.ver']

/** One that is there until somebody removes it; others go by themselves when nobody uses them. */
export const isLasting = ({ config }: ConsumerInfo): boolean => Boolean(config.durable_name) && !config.inactive_threshold

/** The same configuration, but for these fields. */
export const without = <T extends Record<string, unknown>>(config: T, fields: readonly string[]): T =>
  Object.fromEntries(Object.entries(config).filter(([field]) => !fields.includes(field))) as T
