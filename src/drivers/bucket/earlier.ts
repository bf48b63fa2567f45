/**
 * What a try has stored whole, for the next one of the same run: for each pack a checkpoint that names it, the list of its
 * objects, and the checkpoint before. Packs are filled in the order of the keys, so the lists one after the other are too.
 */
import { buffer } from 'node:stream/consumers'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact } from '../../core/records.ts'
import type { ArtifactSink, ArtifactSource, CaptureRequest } from '../driver.ts'
import { entriesOf, lineOf, type Packed } from './entries.ts'
import { openPart, type PartWriter } from './part-writer.ts'

interface Checkpoint {
  pack: Artifact
  entries: Artifact
  previous?: Artifact
}

export interface Earlier {
  packs: Artifact[]
  entries: AsyncGenerator<Packed>
}

/** Nothing where it cannot be read: on a worker without an identity, or where somebody has removed it. Then all is packed anew. */
export async function earlierTry({ kept }: Pick<CaptureRequest, 'kept'>): Promise<Earlier> {
  const found = kept ? await checkpointsOf(kept.source, kept.checkpoint).catch(unlessUnreadable) : []
  return { packs: found.map(({ pack }) => pack), entries: entriesIn(kept?.source, found) }
}

function unlessUnreadable(error: unknown): Checkpoint[] {
  if (error instanceof HoldfastError && ['KEY_MISSING', 'NOT_FOUND', 'INTEGRITY'].includes(error.code)) return []
  throw error
}

async function checkpointsOf(source: ArtifactSource, newest: Artifact): Promise<Checkpoint[]> {
  const found: Checkpoint[] = []
  for (let next: Artifact | undefined = newest; next; ) {
    const checkpoint = JSON.parse((await buffer(await source.read(next))).toString()) as Checkpoint
    found.unshift(checkpoint)
    next = checkpoint.previous
  }
  return found
}

async function* entriesIn(source: ArtifactSource | undefined, found: Checkpoint[]): AsyncGenerator<Packed> {
  if (source) for (const { entries } of found) yield* entriesOf<Packed>(await source.read(entries))
}

export interface Keeper {
  add(entry: Packed): Promise<void>
  /** The pack of what was added is stored. */
  close(pack: Artifact): Promise<void>
  abandon(why: unknown): Promise<void>
}

/** Does nothing where nobody would come back for it. */
export function createKeeper(sink: ArtifactSink, { kept, keep }: Pick<CaptureRequest, 'kept' | 'keep'>): Keeper {
  let previous = kept?.checkpoint
  let open: PartWriter | undefined
  return {
    async add(entry) {
      if (!keep) return
      open ??= openPart(sink, `${entry.pack}.entries`, 'checkpoint')
      await open.write(Buffer.from(lineOf(entry)))
    },
    async close(pack) {
      const entries = await open?.end()
      open = undefined
      if (!keep || !entries) return
      const checkpoint: Checkpoint = { pack, entries, ...(previous && { previous }) }
      const bytes = Buffer.from(JSON.stringify(checkpoint))
      previous = await sink.storeBytes({ part: `${pack.part}.checkpoint`, role: 'checkpoint', required: false, bytes })
      keep(previous)
    },
    abandon: async (why) => open?.abandon(why),
  }
}
