/** Which streams of an account belong to a source, and in which order they are captured and restored. */
import type { StreamConfig, StreamInfo } from './answers.ts'
import type { NatsSourceConfig } from './config.ts'

/** Streams that a restore makes for itself while it works. */
export const JOURNAL = 'HOLDFAST_RESTORE_'

export function selected<T extends Pick<StreamInfo, 'config'>>(
  { streams: { include, exclude } }: NatsSourceConfig,
  all: readonly T[],
): T[] {
  const matches = (patterns: readonly string[], name: string) => patterns.some((pattern) => expression(pattern).test(name))
  return all.filter(({ config: { name } }) => !name.startsWith(JOURNAL) && matches(include, name) && !matches(exclude, name))
}

export const matching = (pattern: string, names: readonly string[]): string[] => names.filter((name) => expression(pattern).test(name))

const expression = (pattern: string): RegExp => new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`, 's')

/** Streams of the same account that it takes its messages from. */
export function originsOf({ mirror, sources }: StreamConfig): string[] {
  return [...(mirror ? [mirror] : []), ...(sources ?? [])].filter(({ external }) => !external).map(({ name }) => name)
}

/**
 * Whoever takes messages from another stream comes after it. Backwards that is the order of a capture: a mirror is then
 * never ahead of its origin.
 */
export function originsFirst(configs: readonly StreamConfig[]): StreamConfig[] {
  const left = new Map(configs.map((config) => [config.name, config]))
  const ordered: StreamConfig[] = []
  const visit = (config: StreamConfig) => {
    if (!left.delete(config.name)) return
    for (const origin of originsOf(config)) {
      const found = left.get(origin)
      if (found) visit(found)
    }
    ordered.push(config)
  }
  for (const config of [...configs].sort((a, b) => (a.name < b.name ? -1 : 1))) visit(config)
  return ordered
}

/** What a stream is to its users, by the names that the clients give. */
export function holds(name: string): string {
  const [, kind, bucket] = /^(KV|OBJ)_(.+)$/s.exec(name) ?? []
  return kind === undefined ? 'stream' : `${kind === 'KV' ? 'key-value' : 'object'} bucket ${bucket}`
}
