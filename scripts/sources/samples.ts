/** Every sample there is, under the name that its source has in the quickstart and in tests. */
import { lookUp } from '../toolbox/find.ts'
import type { OpenSample } from './sample.ts'

/** It cannot be installed on every machine. */
const falkordb: Record<string, () => Promise<OpenSample>> =
  lookUp('falkordb-redis-server') === undefined ? {} : { falkordb: async () => (await import('./falkordb.ts')).openFalkorDB }

export const SAMPLES: Readonly<Record<string, () => Promise<OpenSample>>> = {
  bucket: async () => (await import('./bucket.ts')).openBucketSample,
  files: async () => (await import('./files.ts')).openFiles,
  command: async () => (await import('./command.ts')).openCommand,
  events: async () => (await import('./events.ts')).openEvents,
  nats: async () => (await import('./nats.ts')).openJetStream,
  redis: async () => (await import('./redis.ts')).openRedis,
  ...falkordb,
  rocksdb: async () => (await import('./rocksdb.ts')).openRocksdb,
  temporal: async () => (await import('./temporal.ts')).openTemporal,
}
