/** Where log segments are archived that an engine ships by a command of its own: `holdfast wal-push`, `holdfast wal-fetch`. */
import { z } from 'zod'
import { name } from './values.ts'

export const archiveSchema = z.strictObject({
  repository: name.describe('where its segments go'),
  compressionLevel: z.number().int().min(1).max(19).default(3).describe('of zstd'),
})
export type ArchiveConfig = z.infer<typeof archiveSchema>
