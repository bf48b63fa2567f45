/** What a restore would change in the bucket, by two lists: the index of the point beside what the bucket has now. Reads no object. */
import type { Difference, Looking, RestoreChoice } from '../driver.ts'
import { HoldfastError } from '../../core/errors.ts'
import type { Manifest } from '../../core/records.ts'
import { type Bucket, isNoBucket, type Origin, withBucket } from './client.ts'
import { entriesOf, type Facts } from './entries.ts'
import { readIndex } from './indexed.ts'
import { destinationOf } from './into.ts'
import { type Listed, list } from './listing.ts'
import { picksOf, selectionOf } from './selection.ts'
import { sideBySide } from './side-by-side.ts'

const NAMED = 20

export async function diff(origin: Origin, manifest: Manifest, choice: RestoreChoice, { context, source }: Looking): Promise<Difference> {
  const { config } = origin
  const { mode } = destinationOf(origin, choice)
  // What is asked for has to be in the point: that the bucket has it is not enough.
  const [selected, ofPoint, ofBucket] = [selectionOf(config), picksOf(choice.parts), picksOf(choice.parts)]
  const target = `the live bucket ${config.bucket}, by key, size and ETag: metadata and tags were not looked at,`
  const difference: Difference = { target, added: 0, changed: 0, removed: 0, same: 0, changes: [] }
  return withBucket(origin, async (bucket) => {
    const index = entriesOf<Facts>(await readIndex({ manifest, source, context }))
    const rows = sideBySide({ entry: index, listed: live(bucket, config.prefix, context) })
    for await (const { key, entry, listed } of rows) {
      if (!selected(key) || !(entry ? ofPoint : ofBucket).takes(key)) continue
      const { change, why } = changeOf(entry, listed)
      if (change === 'removed' && mode !== 'replace') continue
      difference[change] += 1
      if (change !== 'same' && difference.changes.length < NAMED)
        difference.changes.push({ change, name: shown(key), ...(why !== undefined && { why }) })
    }
    ofPoint.requireAll()
    return difference
  })
}

/** A bucket that is gone is no point that is gone, which another repository might have. */
async function* live(bucket: Bucket, prefix: string, context: Looking['context']): AsyncGenerator<Listed> {
  try {
    yield* list(bucket, { prefix }, context)
  } catch (error) {
    if (!(error instanceof HoldfastError) || !isNoBucket(error)) throw error
    throw new HoldfastError('SOURCE_UNFIT', error.message, { object: error.object, cause: error, next: error.next })
  }
}

type Change = { change: 'added' | 'changed' | 'removed' | 'same'; why?: string }

function changeOf(entry: Facts | undefined, listed: Listed | undefined): Change {
  if (!entry) return { change: 'removed' }
  if (!listed) return { change: 'added' }
  if (entry.size !== listed.size) return { change: 'changed', why: `${listed.size} bytes instead of ${entry.size}` }
  return entry.etag === listed.etag ? { change: 'same' } : { change: 'changed', why: 'another ETag' }
}

/** A key may hold what a terminal would obey. */
const shown = (key: string): string => (/\p{Cc}/u.test(key) ? JSON.stringify(key) : key)
