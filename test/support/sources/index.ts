/** Samples of the systems that no package registry carries: on stand-ins, which show that Holdfast's side works and no more. */
import type { OpenSample } from '../../../scripts/sources/sample.ts'

export const STAND_INS: Readonly<Record<string, () => Promise<OpenSample>>> = {
  qdrant: async () => (await import('./qdrant.ts')).openQdrantSample,
}
