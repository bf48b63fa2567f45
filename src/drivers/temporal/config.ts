/** What a source of this driver is configured with. */
import { z } from 'zod'
import { assertionName, everySource, schedulesOf, verifyWith } from '../../config/schema/every-source.ts'
import { duration, secret } from '../../config/schema/values.ts'

const WORKFLOW_STATUS = ['Running', 'Completed', 'Failed', 'Canceled', 'Terminated', 'ContinuedAsNew', 'TimedOut'] as const

const replay = z.strictObject({
  name: assertionName,
  replay: z
    .strictObject({
      workflowsPath: z.string().startsWith('/').describe('the file with the workflows, as a worker of theirs is given it'),
      sample: z.number().int().min(1).default(20).describe('how many histories, the newest of each type first'),
      types: z.array(z.string()).min(1).optional().describe('workflow types; all by default'),
    })
    .describe('histories go through this code again, in a process of their own: a change that breaks them is red'),
})
const runs = z.strictObject({
  name: assertionName,
  runs: z.string().describe('a workflow type'),
  status: z.enum(WORKFLOW_STATUS).optional().describe('any by default'),
  atLeast: z.number().int().min(0).default(1).describe('how many runs of it the point has to hold'),
})
const schedule = z.strictObject({ name: assertionName, schedule: z.string().describe('an id that has to be there') })

const cluster = {
  address: z
    .string()
    .regex(/^[^/@\s]+:\d+$/, 'an address is host:port')
    .describe('of the frontend'),
  tls: z
    .strictObject({
      ca: secret.optional().describe('PEM of the authority that signed the certificate of the server'),
      certificate: secret.optional().describe('where the server asks for one'),
      key: secret.optional(),
      serverName: z.string().optional().describe('in the certificate, where it is not the host of the address'),
    })
    .optional()
    .describe('also without anything in it'),
  apiKey: secret.optional(),
}

export const temporalSource = z.strictObject({
  driver: z.literal('temporal'),
  ...everySource,
  ...cluster,
  namespace: z.string().min(1).default('default'),
  histories: z
    .strictObject({ open: z.boolean().default(true), closed: z.boolean().default(true) })
    .prefault({})
    .describe('of runs that go on, of runs that have ended'),
  concurrency: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(16)
    .describe('histories fetched at once; each is held whole meanwhile, of at most 50 MB'),
  settle: duration
    .default('1m')
    .describe('a run that ended is in the list of its namespace after that; later ones are taken again by the next incremental'),
  scratch: z
    .strictObject({ ...cluster, namespace: z.string().min(1).default('holdfast-scratch') })
    .optional()
    .describe('another cluster, where a proof makes and deletes <namespace>-<a name of its own>; a dev server on the worker by default'),
  programs: z.strictObject({ temporal: z.string().default('temporal') }).prefault({}),
  schedules: schedulesOf('scheduled', 'incremental'),
  verify: verifyWith(z.union([replay, runs, schedule])),
})
export type TemporalSourceConfig = z.infer<typeof temporalSource>
export type ClusterConfig = Pick<TemporalSourceConfig, 'address' | 'tls' | 'apiKey' | 'namespace'>
