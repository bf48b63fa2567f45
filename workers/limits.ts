/** What all captures of one worker share, by repository: the bandwidth of the moment, and turns. */
import type { RepositoryLimits } from '../activities/services.ts'
import type { BandwidthConfig } from '../src/config/schema/limits.ts'
import type { RepositoryConfig } from '../src/config/schema.ts'
import { bytesOf } from '../src/core/duration.ts'
import { clockOf, covers, parseSpan } from '../src/core/windows.ts'
import { createBandwidth } from '../src/pipeline/bandwidth.ts'
import { createTurns } from '../src/pipeline/turns.ts'

export function createLimits(repositories: Readonly<Record<string, RepositoryConfig>>): (repository: string) => RepositoryLimits {
  const made = new Map<string, RepositoryLimits>()
  return (name) => {
    const found = made.get(name)
    if (found) return found
    const { bandwidth, captures } = repositories[name] ?? {}
    const limits: RepositoryLimits = {
      ...(bandwidth && { bandwidth: createBandwidth(limitNow(bandwidth)) }),
      ...(captures !== undefined && { turns: createTurns(captures) }),
    }
    made.set(name, limits)
    return limits
  }
}

/** Bytes per second at this moment. */
export function limitNow({ limit, at, timezone }: BandwidthConfig, now = () => new Date()): () => number | undefined {
  const clock = clockOf(timezone)
  const spans = at.map((one) => ({ span: parseSpan(one.window), limit: bytesOf(one.limit) }))
  const otherwise = limit === undefined ? undefined : bytesOf(limit)
  return () => {
    const { day, minute } = clock(now())
    return spans.find(({ span }) => covers(span, day, minute))?.limit ?? otherwise
  }
}
