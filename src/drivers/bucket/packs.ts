/** Objects one after the other in artifacts of about the same size; the index says where each begins. */
import { Blake3Hasher } from '@napi-rs/blake-hash'
import type { Artifact } from '../../core/records.ts'
import type { ArtifactSink } from '../driver.ts'
import type { Packed } from './entries.ts'
import { openPart, type PartWriter } from './part-writer.ts'
import { compared, type OpenObject } from './read-object.ts'

export interface Packs {
  /** The artifacts that are complete; after `end`, all of them. */
  artifacts: Artifact[]
  add(object: OpenObject): Promise<Packed>
  end(): Promise<void>
  abandon(why: unknown): Promise<void>
}

/** Their names hold the point's id: later points take them over beside their own. */
export function createPacks(sink: ArtifactSink, id: string, packBytes: number): Packs {
  const artifacts: Artifact[] = []
  let open: { name: string; writer: PartWriter; bytes: number } | undefined
  let number = 0
  const close = async () => {
    const ending = open?.writer
    if (ending) artifacts.push(await ending.end())
    open = undefined
  }
  return {
    artifacts,
    async add(object) {
      // A large one has a pack by itself, and so comes out by itself.
      if (open && open.bytes > 0 && open.bytes + object.facts.size > packBytes) await close()
      if (!open) {
        number += 1
        const name = `pack-${id}-${String(number).padStart(6, '0')}`
        open = { name, writer: openPart(sink, name, 'pack'), bytes: 0 }
      }
      const { name: pack, bytes: offset, writer } = open
      const blake3 = await copy(object, writer)
      open.bytes += object.facts.size
      return { ...object.facts, pack, offset, blake3 }
    },
    end: close,
    abandon: async (why) => open?.writer.abandon(why),
  }
}

async function copy(object: OpenObject, writer: PartWriter): Promise<string> {
  const content = new Blake3Hasher()
  for await (const chunk of compared(object)) {
    content.update(chunk)
    await writer.write(chunk)
  }
  return content.digest('hex')
}
