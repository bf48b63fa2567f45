/** Samples of the systems that no package registry carries: on stand-ins, which show that Holdfast's side works and no more. */
import type { OpenSample } from '../../../scripts/sources/sample.ts'
import { SAMPLES } from '../../../scripts/sources/samples.ts'

export const STAND_INS: Readonly<Record<string, () => Promise<OpenSample>>> = {
  qdrant: async () => (await import('./qdrant.ts')).openQdrantSample,
  vault: async () => (await import('./vault.ts')).openVaultSample,
  'raft-cluster': async () => (await import('./raft-cluster.ts')).openRaftClusterSample,
}

/** And those of the real systems. */
export const ALL_SAMPLES: Readonly<Record<string, () => Promise<OpenSample>>> = { ...SAMPLES, ...STAND_INS }
