/** Objects one after the other in artifacts of about the same size; the index says where each begins. */
import { createHash } from 'node:crypto'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError } from '../../core/errors.ts'
import type { Artifact } from '../../core/records.ts'
import type { ArtifactSink } from '../driver.ts'
import type { Entry } from './entries.ts'
import { openPart, type PartWriter } from './part-writer.ts'
import type { OpenObject } from './read-object.ts'

export interface Packs {
  /** The artifacts that are complete; after `end`, all of them. */
  artifacts: Artifact[]
  add(object: OpenObject): Promise<Entry>
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

/** Every byte is checked against what the store says of the object. */
async function copy({ facts, md5, body }: OpenObject, writer: PartWriter): Promise<string> {
  const content = new Blake3Hasher()
  const asked = md5 === undefined ? undefined : createHash('md5')
  for await (const chunk of body) {
    content.update(chunk)
    asked?.update(chunk)
    await writer.write(chunk)
  }
  const found = asked?.digest('hex')
  if (found !== md5)
    throw new HoldfastError('INTEGRITY', `${facts.key} was read with the MD5 ${found}, the store's ETag is ${md5}`, {
      object: facts.key,
      retryable: true,
      next: 'start the backup again; if the ETag of this store is no MD5, set etags: opaque for the source',
    })
  return content.digest('hex')
}
