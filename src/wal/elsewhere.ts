/** What is damaged in one repository, another one may have whole. */
import { HoldfastError, isUnsound } from '../core/errors.ts'
import type { FetchingArchive } from './fetch.ts'

export interface Found<T> {
  found: T
  /** The place that gave it, where the first one could not, and why that could not. */
  instead?: { place: FetchingArchive; why: string }
}

/** By what the archive gives; where that is unsound, by the first of its places that gives anything. Throws what the first one threw. */
export async function readWhole<T>(archive: FetchingArchive, read: (place: FetchingArchive) => Promise<T>): Promise<Found<T>> {
  try {
    return { found: await read(archive) }
  } catch (error) {
    if (!isUnsound(error)) throw error
    for (const place of (await archive.places?.()) ?? []) {
      const found = await read(place).catch(unhelpful)
      if (found !== undefined) return { found, instead: { place, why: error.message } }
    }
    throw error
  }
}

/** Another place is asked to help, whatever is wrong with it. */
function unhelpful(error: unknown): undefined {
  if (!(error instanceof HoldfastError) || error.code === 'CANCELLED') throw error
}
