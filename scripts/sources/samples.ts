/** Every sample there is, under the name that its source has in the quickstart and in tests. */
import type { OpenSample } from './sample.ts'

export const SAMPLES: Readonly<Record<string, () => Promise<OpenSample>>> = {
  rocksdb: async () => (await import('./rocksdb.ts')).openRocksdb,
}
