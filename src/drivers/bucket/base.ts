/** What an incremental finds in its base: the index, and the packs of which it still needs something. */
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact } from '../../core/records.ts'
import type { CaptureRequest } from '../driver.ts'
import { entriesOf, type Packed, type Versioned } from './entries.ts'
import { INDEX } from './indexed.ts'

export interface Base<T> {
  entries: AsyncGenerator<T>
  /** Those of its packs that are among the names. */
  packs(names: ReadonlySet<string>): Artifact[]
  warnings: readonly string[]
}

async function* nothing<T>(): AsyncGenerator<T> {}

/** A worker that only takes backups may have no key to read them: then it stores everything, and says so. */
/** A source may have had another way before: then nothing of it is of use. `by` is what its entries have to have. */
export async function baseEntries<T extends Packed | Versioned>({ base, baseSource }: CaptureRequest, by: 'pack' | 'at'): Promise<Base<T>> {
  const index =
    (base?.inventory?.['copies'] === undefined) === (by === 'pack') ? base?.artifacts.find(({ part }) => part === INDEX) : undefined
  if (!base || !baseSource || !index) return { entries: nothing<T>(), packs: () => [], warnings: [] }
  try {
    const entries = entriesOf<T>(await baseSource.read(index))
    return {
      entries,
      packs: (names) => base.artifacts.filter(({ role, part }) => role === 'pack' && names.has(part)),
      warnings: [],
    }
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'KEY_MISSING') throw error
    const why = 'all objects were stored anew: the worker has no identity to read the index of the point before'
    return { entries: nothing<T>(), packs: () => [], warnings: [why] }
  }
}
