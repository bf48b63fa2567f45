/** Exported rows as plain files in a folder, for where there is no repository at hand. */
import { createWriteStream } from 'node:fs'
import { mkdir, rename, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { startChain } from '../../process/chain.ts'
import type { RowSink } from './lost-rows.ts'

/** Each file appears whole under its name, or not at all; one of an earlier try is replaced. */
export function folderSink(folder: string, signal?: AbortSignal): RowSink {
  return {
    async store({ part, stages }) {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const key = join(folder, basename(part))
      const chain = startChain(stages, { signal })
      await pipeline(chain.stdout, createWriteStream(`${key}.partial`, { mode: 0o600 }))
      await chain.done
      await rename(`${key}.partial`, key)
      const { size } = await stat(key)
      return { key, plainBytes: size, storedBytes: size }
    },
  }
}
