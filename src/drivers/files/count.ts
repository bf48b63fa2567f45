/** What a tree amounts to: the facts that stand in the manifest, and that a restored tree is first compared by. */
import type { Inventory } from '../../core/records.ts'
import type { Entry } from './entries.ts'
import type { GitState } from './git.ts'
import type { Passed } from './walk.ts'

export interface Counts {
  files: number
  folders: number
  links: number
  /** Fifos. */
  others: number
  /** Of the files, each file with several names once. */
  bytes: number
}

export function createCount(): { counts: Counts; add(entry: Pick<Entry, 'type' | 'size'>): void } {
  const counts: Counts = { files: 0, folders: 0, links: 0, others: 0, bytes: 0 }
  return {
    counts,
    add({ type, size }) {
      if (type === 'file' || type === 'hard link') counts.files += 1
      else if (type === 'folder') counts.folders += 1
      else if (type === 'link') counts.links += 1
      else counts.others += 1
      if (type === 'file') counts.bytes += size
    },
  }
}

interface About {
  passed: Passed
  /** Files that were left out for what they hold. */
  found: number
  git?: GitState
}

export function inventoryOf(counts: Counts, digest: string, { passed, found, git }: About): Inventory {
  return {
    tree: { ...counts },
    index: { digest },
    'left out': { excluded: passed.excluded, 'secrets by name': passed.secrets, 'secrets by content': found },
    ...(git && { git: { ...git } }),
  }
}

/** What the manifest says of the tree; undefined where it says nothing. */
export function recordedCounts(inventory: Inventory | undefined): Counts | undefined {
  const tree = inventory?.['tree']
  return tree && (Object.fromEntries(Object.entries(tree).map(([name, value]) => [name, Number(value)])) as unknown as Counts)
}
