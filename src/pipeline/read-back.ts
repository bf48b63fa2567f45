/** Reads a stored artifact whole, as a restore would, into nothing: what a proof of depth `read` rests on. */
import type { Artifact } from '../core/records.ts'
import { feedInto, type SourceOptions } from './read.ts'

export interface ReadBack {
  storedBytes: number
  plainBytes: number
}

/** Digest compared, decrypted, decompressed; throws INTEGRITY, KEY_WRONG, KEY_MISSING or the store's error. */
export async function readBack(
  store: SourceOptions['store'],
  artifact: Artifact,
  options: Omit<SourceOptions, 'store'>,
): Promise<ReadBack> {
  const printed = await feedInto({ ...options, store }, artifact, [{ program: 'wc', args: ['-c'] }])
  return { storedBytes: artifact.storedBytes, plainBytes: Number(printed) }
}
