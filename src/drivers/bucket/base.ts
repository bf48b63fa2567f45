/** What an incremental finds in its base: the index, and the packs of which it still needs something. */
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact } from '../../core/records.ts'
import type { CaptureRequest } from '../driver.ts'
import { entriesOf, type Packed } from './entries.ts'

export interface Base {
  entries: AsyncGenerator<Packed>
  /** Those of its packs that are among the names. */
  packs(names: ReadonlySet<string>): Artifact[]
  warnings: readonly string[]
}

async function* nothing(): AsyncGenerator<Packed> {}

/** A worker that only takes backups may have no key to read them: then it stores everything, and says so. */
export async function baseEntries({ base, baseSource }: CaptureRequest): Promise<Base> {
  const index = base?.artifacts.find(({ role }) => role === 'index')
  if (!base || !baseSource || !index) return { entries: nothing(), packs: () => [], warnings: [] }
  try {
    const entries = entriesOf<Packed>(await baseSource.read(index))
    return {
      entries,
      packs: (names) => base.artifacts.filter(({ role, part }) => role === 'pack' && names.has(part)),
      warnings: [],
    }
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'KEY_MISSING') throw error
    const why = 'all objects were stored anew: the worker has no identity to read the index of the point before'
    return { entries: nothing(), packs: () => [], warnings: [why] }
  }
}
