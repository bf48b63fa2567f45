/** Sources that are backed up together and restored in order. */
import { z } from 'zod'
import { name } from './values.ts'

const member = z.union([
  name,
  z.strictObject({
    name,
    required: z.boolean().default(true).describe('false: its failure leaves a degraded set instead of none'),
    after: z.array(name).default([]).describe('members that are restored before it'),
  }),
])

const fact = z.strictObject({
  source: name,
  item: z.string().describe('as `holdfast show` names it: a table, or an entry of the inventory like "stream EVENTS"'),
  fact: z.string().default('rows').describe('of a table rows; of an entry what its inventory has, like messages'),
})

export const setSchema = z.strictObject({
  sources: z.array(member).min(1),
  order: z
    .enum(['dependency', 'listed'])
    .default('dependency')
    .describe('of a restore: by `after`, else as listed; `listed`: each after the one before it'),
  parallel: z.number().int().min(1).max(16).default(2).describe('members that are captured at once'),
  checks: z
    .array(
      z.strictObject({
        name: z.string().describe('shown in the record of the set'),
        left: fact,
        is: z.enum(['=', '<=', '>=']),
        right: fact,
      }),
    )
    .default([])
    .describe('what has to hold between the points of two members, like events in a table against messages of a stream'),
  schedule: z
    .strictObject({ calendar: z.string().describe('days and time, like "daily 02:00"'), timezone: z.string().default('UTC') })
    .optional(),
})
export type SetConfig = z.infer<typeof setSchema>
