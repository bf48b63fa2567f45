/**
 * A stand-in for Qdrant 1.19: no package registry carries the server. A process of its own with files, errors and
 * latency, made after the replies of a real one; test/stand-ins/qdrant.test.ts asks both, where there is a real one.
 */
import { join } from 'node:path'
import { type StandIn, type StandInOptions, startStandIn } from '../start.ts'

/** Its snapshots are in `<dir>/snapshots/<collection>/`. */
export type QdrantStandIn = StandIn

export function startQdrantStandIn({ apiKey = '', ...options }: StandInOptions & { apiKey?: string } = {}): Promise<QdrantStandIn> {
  const main = join(import.meta.dirname, 'main.ts')
  return startStandIn({ name: 'Qdrant', main, ready: '/readyz', env: { QDRANT_API_KEY: apiKey } }, options)
}
