/** Whether somebody here can still decrypt an artifact: a look that stays short however large it is. */
import type { Artifact } from '../core/records.ts'
import { createSource, type SourceOptions } from './read.ts'
import { readBack } from './read-back.ts'

/** What is read whole within seconds. */
const SMALL = 64 * 1024 * 1024

export interface OpenOptions extends SourceOptions {
  /** Stored bytes up to which it is read whole; 64 MiB by default. */
  wholeUpTo?: number
}

/** Throws KEY_WRONG, KEY_MISSING, INTEGRITY or the store's error. */
export async function openArtifact(artifact: Artifact, { wholeUpTo = SMALL, ...options }: OpenOptions): Promise<'whole' | 'beginning'> {
  if (artifact.storedBytes <= wholeUpTo) {
    await readBack(options.store, artifact, options)
    return 'whole'
  }
  // Its key fits, and age has authenticated what it gave; the rest is for a proof.
  const stream = await createSource(options).read(artifact)
  for await (const _ of stream) break
  return 'beginning'
}
