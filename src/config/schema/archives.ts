/** Where log segments are archived that an engine ships by a command of its own: `holdfast wal-push`, `holdfast wal-fetch`. */
import { z } from 'zod'
import { duration, name } from './values.ts'

export const archiveSchema = z.strictObject({
  repository: name.describe('where its segments go'),
  keep: duration
    .optional()
    .describe(
      'what was archived before that goes by retention of the source whose wal names it, but for what a point of it is replayed with; without it nothing',
    ),
  compressionLevel: z.number().int().min(1).max(19).default(3).describe('of zstd'),
})
export type ArchiveConfig = z.infer<typeof archiveSchema>
