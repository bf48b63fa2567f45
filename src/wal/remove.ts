/** Takes archived files away, oldest first: of each its record before its content, so that what is left is whole or not archived. */
import type { Store } from '../storage/store.ts'
import type { Held } from './contents.ts'
import { parseWalName, recordKeyOf } from './names.ts'

/** Stops at the first that is locked, and gives its name: what lies behind it would be cut off from its beginning. */
export async function removeWal(
  { archive, store }: { archive: string; store: Store },
  files: readonly Held[],
  onRemoved?: (count: number) => void,
): Promise<string | undefined> {
  for (const [index, { name, objects }] of files.entries()) {
    for (const key of [recordKeyOf(archive, parseWalName(name)), ...objects]) if ((await store.delete(key)) === 'locked') return name
    onRemoved?.(index + 1)
  }
  return undefined
}

/** A push that takes longer is none any more. */
const ABANDONED_MS = 24 * 3600 * 1000

/** What pushes and removals left that were killed, before the time: it has no record. What is locked stays. */
export async function removeUnrecorded({ store }: { store: Store }, unrecorded: readonly Held[], before: Date): Promise<void> {
  const until = Math.min(before.getTime(), Date.now() - ABANDONED_MS)
  for (const { objects, archivedAt } of unrecorded) {
    if (archivedAt.getTime() >= until) continue
    for (const key of objects) await store.delete(key)
  }
}
