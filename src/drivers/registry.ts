/**
 * The one list of drivers. A driver's configuration is always at hand; its code, with the packages that it needs, is
 * loaded where a source asks for it. `staged` ones leave a file or a snapshot first, which is uploaded in a step of its own.
 */
import type { z } from 'zod'
import { bucketSource } from './bucket/config.ts'
import { commandSource } from './command/config.ts'
import { filesSource } from './files/config.ts'
import { natsSource } from './nats/config.ts'
import { eventsSource } from './postgres-events/config.ts'
import { logicalSource } from './postgres-logical/config.ts'
import { physicalSource } from './postgres-physical/config.ts'
import { qdrantSource } from './qdrant/config.ts'
import { raftClusterSource } from './raft-cluster/config.ts'
import { redisSource } from './redis/config.ts'
import { rocksdbSource } from './rocksdb/config.ts'
import { temporalSource } from './temporal/config.ts'
import { vaultSource } from './vault/config.ts'

interface Registered {
  readonly config: z.ZodObject
  readonly staged?: boolean
  load(): Promise<{ createDriver: unknown }>
}

export const DRIVERS = {
  bucket: { config: bucketSource, load: () => import('./bucket/index.ts') },
  command: { config: commandSource, load: () => import('./command/index.ts') },
  files: { config: filesSource, load: () => import('./files/index.ts') },
  nats: { config: natsSource, load: () => import('./nats/index.ts') },
  'postgres-events': { config: eventsSource, load: () => import('./postgres-events/index.ts') },
  'postgres-logical': { config: logicalSource, load: () => import('./postgres-logical/index.ts') },
  'postgres-physical': { config: physicalSource, load: () => import('./postgres-physical/index.ts') },
  qdrant: { config: qdrantSource, staged: true, load: () => import('./qdrant/index.ts') },
  'raft-cluster': { config: raftClusterSource, staged: true, load: () => import('./raft-cluster/index.ts') },
  redis: { config: redisSource, staged: true, load: () => import('./redis/index.ts') },
  rocksdb: { config: rocksdbSource, staged: true, load: () => import('./rocksdb/index.ts') },
  temporal: { config: temporalSource, load: () => import('./temporal/index.ts') },
  vault: { config: vaultSource, load: () => import('./vault/index.ts') },
} as const satisfies Record<string, Registered>

/** Whether sources of this driver are captured in two steps. */
export const isStaged = (driver: keyof typeof DRIVERS): boolean => (DRIVERS[driver] as Registered).staged === true
