/** Objects one after the other in artifacts of about the same size; the index says where each begins. */
import { Blake3Hasher } from '@napi-rs/blake-hash'
import type { Artifact } from '../../core/records.ts'
import type { ArtifactSink } from '../driver.ts'
import type { Keeper } from './earlier.ts'
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

export interface PacksOptions {
  /** Of the point: names hold it, because later points take packs over beside their own. */
  id: string
  packBytes: number
  /** So many packs have names already. */
  before: number
  keeper: Keeper
}

export function createPacks(sink: ArtifactSink, { id, packBytes, before, keeper }: PacksOptions): Packs {
  const artifacts: Artifact[] = []
  let open: { name: string; writer: PartWriter; bytes: number } | undefined
  let number = before
  const close = async () => {
    const ending = open?.writer
    if (!ending) return
    const pack = await ending.end()
    open = undefined
    artifacts.push(pack)
    await keeper.close(pack)
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
      const entry = { ...object.facts, pack, offset, blake3 }
      await keeper.add(entry)
      return entry
    },
    end: close,
    async abandon(why) {
      await open?.writer.abandon(why)
      await keeper.abandon(why)
    },
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
