/** What stands around a source: applications that are stopped while it is replaced, and projections that are built anew from it. */
import { z } from 'zod'
import { command, duration, secret, taskHost } from './values.ts'

const timing = {
  host: taskHost.optional(),
  timeout: duration.default('5m').describe('until it has stopped, or is up again'),
}

const kubernetes = z.strictObject({
  type: z.literal('kubernetes'),
  workload: z
    .string()
    .regex(/^(deployment|statefulset)\/[a-z0-9.-]+$/, 'a workload is named like deployment/mind-api')
    .describe('scaled to 0, and back to the number that it had'),
  namespace: z.string().default('default'),
  context: z.string().optional().describe('of kubeconfig'),
  ...timing,
})
const systemd = z.strictObject({ type: z.literal('systemd'), unit: z.string().describe('like resonant-api'), ...timing })
const commands = z.strictObject({
  type: z.literal('command'),
  stop: command.describe('resolves once it has stopped; may be run twice'),
  start: command.describe('the same for its start'),
  running: command.optional().describe('exits 0 while it runs; without it, it is taken to run'),
  ...timing,
})
export const applicationSchema = z.discriminatedUnion('type', [kubernetes, systemd, commands])
export type ApplicationConfig = z.infer<typeof applicationSchema>
export type KubernetesConfig = z.infer<typeof kubernetes>
export type SystemdConfig = z.infer<typeof systemd>
export type CommandApplicationConfig = z.infer<typeof commands>

export const projectionSchema = z.strictObject({
  host: taskHost.optional(),
  rebuild: z.url().describe('asked by POST, like http://mind-api:8000/v1/admin/events/replay'),
  body: z.record(z.string(), z.json()).default({}).describe('sent as JSON; a run may give other values for its keys'),
  token: secret.optional().describe('sent as a bearer token'),
  status: z
    .strictObject({
      url: z.url().describe('asked until it is done, like http://mind-api:8000/v1/admin/events/replay/status'),
      field: z.string().default('status').describe('of its JSON; a.b for one inside another'),
      running: z.array(z.string()).default(['running', 'in_progress', 'pending']).describe('values while it is under way'),
      done: z.array(z.string()).default(['completed', 'done']),
      failed: z.array(z.string()).default(['failed', 'error']),
      progress: z.string().optional().describe('field that says how far it is'),
    })
    .optional()
    .describe('without it the answer to the request is the end of it'),
  timeout: duration.default('6h'),
})
export type ProjectionConfig = z.infer<typeof projectionSchema>
