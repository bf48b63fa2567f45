/** Storage classes that points of an age are moved into, and how they are brought back from an archive. */
import { z } from 'zod'
import { POINT_KINDS } from '../../core/ids.ts'
import { STORAGE_CLASSES } from '../../core/storage-classes.ts'
import { duration } from './values.ts'

export const transitions = z
  .array(
    z.strictObject({
      after: duration.describe('how old a point is then'),
      storageClass: z.enum(STORAGE_CLASSES),
      kinds: z.array(z.enum(POINT_KINDS)).min(1).optional().describe('points of these kinds only'),
    }),
  )
  .optional()
  .describe('retention moves the artifacts of points that are old enough; manifests and proofs stay')

export const thaw = z
  .strictObject({
    tier: z.enum(['Expedited', 'Standard', 'Bulk']).default('Standard').describe('how soon an archive gives them back, and at what price'),
    days: z.number().int().min(1).max(365).default(7).describe('how long they can be read then'),
    look: duration.default('15m').describe('how often the waiting run looks'),
  })
  .optional()
  .describe('what a restore asks of GLACIER and DEEP_ARCHIVE before it reads a point')
