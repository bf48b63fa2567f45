/** What several repositories may give, asked one after the other. Pure but for the asking. */
import { HoldfastError } from './errors.ts'

/** What says that the repository is at fault, and not the point: another one may give it. */
export const AT_FAULT: readonly string[] = ['STORE_UNREACHABLE', 'STORE_DENIED', 'NOT_FOUND', 'INTEGRITY', 'SIGNATURE_INVALID']

export interface PlaceFailure {
  place: string
  error: HoldfastError
}

/**
 * What the first place gives that gives anything, and what those before it failed with. Throws what `goesOn` says is no matter
 * of one place only.
 */
export async function firstOf<T>(
  places: readonly string[],
  look: (place: string, failures: readonly PlaceFailure[]) => Promise<T | undefined>,
  goesOn: (error: HoldfastError) => boolean,
): Promise<{ given: T | undefined; failures: readonly PlaceFailure[] }> {
  const failures: PlaceFailure[] = []
  for (const place of places) {
    try {
      const given = await look(place, failures)
      if (given !== undefined) return { given, failures }
    } catch (error) {
      if (!(error instanceof HoldfastError) || !goesOn(error)) throw error
      failures.push({ place, error })
    }
  }
  return { given: undefined, failures }
}
