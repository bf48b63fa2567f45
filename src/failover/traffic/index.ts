/** The traffic of a failover group, made from its config. */
import type { TrafficConfig } from '../../config/schema.ts'
import type { Traffic } from './traffic.ts'

export async function createTraffic(config: TrafficConfig): Promise<Traffic> {
  if (config.type === 'rfc2136') {
    const { createRfc2136 } = await import('./rfc2136.ts')
    return createRfc2136(config)
  }
  // The SDK is large: only who uses it loads it.
  const { createRoute53 } = await import('./route53.ts')
  return createRoute53(config)
}

export type { Confirmation, Destination, RecordSet, RecordState, Traffic, TrafficReport } from './traffic.ts'
