/** A folder by content: its files, the digest of each, and one for the whole that anybody can compute again. */
import { readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { HoldfastError } from '../../core/errors.ts'

export interface FoundFile {
  /** Below the folder. */
  name: string
  bytes: number
}
export interface DigestedFile extends FoundFile {
  blake3: string
}

/** By name, as bytes sort. A link or a socket is refused: what it leads to would not be in the backup. */
export async function filesOf(folder: string): Promise<FoundFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    throw ['ENOENT', 'ENOTDIR'].includes(error.code ?? '') ? noFolder(folder) : error
  })
  const found: FoundFile[] = []
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) continue
    if (!entry.isFile())
      throw new HoldfastError('SOURCE_UNFIT', `${path} is neither a file nor a folder`, {
        object: path,
        next: 'keep links and sockets out of the folder of the database',
      })
    found.push({ name: relative(folder, path), bytes: (await stat(path)).size })
  }
  return found.sort(byName)
}

export function noFolder(folder: string): HoldfastError {
  return new HoldfastError('NOT_FOUND', `Backup directory not found: ${folder}`, { object: folder, next: 'start it again' })
}

const byName = (a: FoundFile, b: FoundFile) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))

/** BLAKE3 of what `b3sum` prints of the files in their order: `b3sum * | b3sum`. */
export function wholeDigest(files: readonly Pick<DigestedFile, 'name' | 'blake3'>[]): string {
  const hasher = new Blake3Hasher()
  for (const { name, blake3 } of files) hasher.update(Buffer.from(`${blake3}  ${name}\n`))
  return hasher.digest('hex')
}

export const bytesOfAll = (files: readonly FoundFile[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0)
