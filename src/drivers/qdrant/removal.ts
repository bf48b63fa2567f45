/** Removal of the snapshots that a capture made, by what is written of it: also of a try that was killed, and of no others. */
import { setTimeout as pause } from 'node:timers/promises'
import { HoldfastError } from '../../core/errors.ts'
import { parsePointId } from '../../core/ids.ts'
import type { DriverContext } from '../driver.ts'
import { deleteSnapshot, listSnapshots } from './collections.ts'
import { noteName, notedIds, readNotes, removeNotes, type SnapshotNote } from './note.ts'
import type { Server } from './server.ts'
import { type Nodes, type Work, withNodes } from './work.ts'

export async function removeSnapshots(work: Work, context: DriverContext, id: string): Promise<void> {
  await withNodes(work, context.signal, async (nodes) => {
    const pending = await removeNoted(nodes, noteName(work.source, id))
    if (pending.length === 0) return
    throw new HoldfastError(
      'PROCESS_TIMEOUT',
      `the server may still be making a snapshot of ${pending.join(', ')} for a try that was killed`,
      {
        object: noteName(work.source, id),
        next: 'the next backup looks again; until then it may be in the list of snapshots',
      },
    )
  })
}

/** Of an older point there is no run any more. */
const FORGOTTEN_MS = 12 * 3600 * 1000

/** What runs of other days left, where their own removal did not succeed. Gives what a person has to do about it. */
export async function removeForgotten({ source }: Work, nodes: Nodes): Promise<string[]> {
  const ids = (await notedIds(nodes[0], source)).filter((id) => Date.now() - (parsePointId(id)?.at.getTime() ?? 0) > FORGOTTEN_MS)
  const problems: string[] = []
  for (const id of ids)
    await removeNoted(nodes, noteName(source, id)).catch((error: unknown) => {
      if (!(error instanceof HoldfastError) || error.retryable) throw error
      problems.push(`${error.message}; ${error.next}`)
    })
  return problems
}

/** Gives what may still be in the making; its notes stay. Throws where it cannot be told whose a snapshot is. */
export async function removeNoted(nodes: Nodes, notes: string): Promise<string[]> {
  const [first] = nodes
  const snapshots = ((await readNotes(first, notes)) ?? []).filter((note) => note.kind === 'snapshot')
  const doubtful: string[] = []
  const pending: string[] = []
  for (const { node: url, collection } of eachPlace(snapshots)) {
    const node = nodes.find((one) => one.url === url)
    if (!node) throw unknownNode(url, collection, notes)
    const here = snapshots.filter((note) => note.node === url && note.collection === collection)
    for (const { made, seen } of here) if (made && !seen.includes(made.name)) await deleteSnapshot(node, collection, made.name)
    const unheard = here.filter(({ made, refused }) => !made && !refused)
    if (unheard.length === 0) continue
    const appeared = await appearing(node, collection, here, unheard)
    if (appeared.length > unheard.length) doubtful.push(...appeared.map((name) => `${collection}/${name} on ${url}`))
    else for (const name of appeared) await deleteSnapshot(node, collection, name)
    if (appeared.length < unheard.length && unheard.some(({ sentAt }) => age(sentAt) < first.timeouts.snapshot)) pending.push(collection)
  }
  if (pending.length === 0) await removeNotes(first, notes)
  if (doubtful.length > 0) throw doubt(doubtful)
  return pending
}

const eachPlace = (snapshots: readonly SnapshotNote[]): SnapshotNote[] => [
  ...new Map(snapshots.map((note) => [`${note.node} ${note.collection}`, note])).values(),
]

const age = (time: string): number => Date.now() - Date.parse(time)

/** How long one that was asked for and not heard of is waited for. */
const APPEARS_MS = 20_000

/** Names that came since: the snapshots of tries that did not live to hear of them, and those of other people. */
async function appearing(
  node: Server,
  collection: string,
  here: readonly SnapshotNote[],
  unheard: readonly SnapshotNote[],
): Promise<string[]> {
  const [earliest] = [...unheard].sort((a, b) => (a.sentAt < b.sentAt ? -1 : 1))
  const before = new Set(earliest?.seen)
  const ours = new Set(here.flatMap(({ made }) => made?.name ?? []))
  const late = Math.max(...unheard.map(({ sentAt }) => Date.parse(sentAt))) + APPEARS_MS
  for (;;) {
    const names = (await listSnapshots(node, collection)).map(({ name }) => name).filter((name) => !before.has(name) && !ours.has(name))
    if (names.length >= unheard.length || Date.now() > late) return names
    await pause(500, undefined, node.signal ? { signal: node.signal } : {})
  }
}

const unknownNode = (node: string, collection: string, notes: string) =>
  new HoldfastError('SOURCE_UNFIT', `a snapshot of ${collection} is on ${node}, which is no node of the source any more`, {
    object: notes,
    next: `remove it there by hand, and then the collection ${notes}`,
  })

const doubt = (names: readonly string[]) =>
  new HoldfastError(
    'SOURCE_UNFIT',
    `a backup that was killed left one of these snapshots, and others came meanwhile: ${names.join(', ')}`,
    {
      object: names[0],
      next: 'remove those that nobody else made: DELETE /collections/<collection>/snapshots/<name>',
    },
  )
