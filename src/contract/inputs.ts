/** Inputs of the workflows, validated first thing in each run. Names of the config only: no secrets, no connection strings. */
import { z } from 'zod'
import { POINT_KINDS, PROOF_DEPTHS } from './vocabulary.ts'

const source = z.string().min(1, 'a source is named as in holdfast.yaml, like orders')
const group = z.string().min(1, 'a group is named as in failoverGroups of holdfast.yaml, like orders')
const person = z.string().min(1, 'somebody has to be named, like ana').describe('who asks; declared, not authenticated')
const reason = z.string().min(1, 'a reason is given in words: it stands in the record')
const repository = z
  .string()
  .min(1, 'a repository is named as in repositories of holdfast.yaml, like dr')
  .optional()
  .describe('one that has copies of its points; where none is named, its own, or where that is away another one that has the point')
const pointRef = z.string().min(1, 'a recovery point is an id, like 20251018_214530_manual, or latest')

const TIMELINE = 'a timeline is a whole number from 1, like 2'

const SEQUENCE = 'a sequence is the whole number of an event, like 12345'

/** Where a point-in-time recovery stops. Exactly one of the first six. */
export const pitrTarget = z
  .strictObject({
    time: z.iso.datetime({ offset: true, error: 'a time needs its offset, like 2026-01-15T12:00:00+01:00' }).optional(),
    lsn: z
      .string()
      .regex(/^[0-9A-F]+\/[0-9A-F]+$/i, 'an lsn is a position in the WAL, like 16/B374D848')
      .optional(),
    xid: z.string().regex(/^\d+$/, 'an xid is the number of a transaction, like 7431').optional(),
    name: z.string().optional(),
    sequence: z.number(SEQUENCE).int(SEQUENCE).nonnegative(SEQUENCE).optional(),
    latest: z.literal(true).optional(),
    timeline: z.number(TIMELINE).int(TIMELINE).positive(TIMELINE).optional(),
  })
  .refine(
    ({ timeline: _, ...one }) => Object.values(one).filter((v) => v !== undefined).length === 1,
    'give exactly one of time, lsn, xid, name, sequence, latest',
  )
export type PitrTarget = z.infer<typeof pitrTarget>

/** Nobody takes what was taken before. */
const kindToTake = z.enum(POINT_KINDS).exclude(['adopted'])

export const backupInput = z.strictObject({
  source,
  kind: kindToTake.default('manual'),
  tags: z.array(z.string()).default([]),
  description: z.string().optional(),
  schemaVersion: z.union([z.string(), z.number()]).optional(),
  prove: z.enum(PROOF_DEPTHS).optional(),
})
export const backupWhenDueInput = z.strictObject({ source, kind: kindToTake.default('snapshot') })
export const verifyRestoreInput = z.strictObject({
  source,
  recoveryPoint: pointRef.default('latest'),
  depth: z.enum(PROOF_DEPTHS).default('full'),
  keep: z.boolean().default(false),
  repository,
  thaw: z.boolean().default(false).describe('asks an archive for a point that is in one, and waits until it can be read'),
})
export const restoreInput = z.strictObject({
  source,
  recoveryPoint: pointRef,
  requestedBy: person,
  target: z.enum(['beside', 'live']).default('beside'),
  repository,
  confirm: z.string().optional().describe('fingerprint of the live target that is replaced'),
  safetyBackup: z
    .boolean()
    .default(true)
    .describe('false where there is nothing left to save, or no time: over a live target it is then lost'),
  parts: z.array(z.string().min(1)).min(1).optional().describe('only these, by names that the point lists'),
  into: z.string().min(1).optional().describe('somewhere else than where the source is configured to be'),
  mode: z.enum(['empty', 'replace', 'upsert']).optional().describe('what becomes of what is there already'),
  to: z
    .union([z.literal('latest'), z.iso.datetime({ offset: true })], { error: 'a time needs its offset, like 2026-01-15T12:00:00+01:00' })
    .optional()
    .describe('what came after the point is replayed up to this moment, by drivers that can; latest for all of it, by those that archive'),
  toSequence: z
    .number(SEQUENCE)
    .int(SEQUENCE)
    .nonnegative(SEQUENCE)
    .optional()
    .describe('events after this one are left out, with what goes with them, by drivers that can'),
})
export const pitrInput = z.strictObject({
  source,
  target: pitrTarget,
  into: z.enum(['beside', 'scratch']).default('beside'),
  tables: z.array(z.string()).default([]),
  repository,
})
export const backupSetInput = z.strictObject({
  set: z.string().min(1, 'a set is named as in sets of holdfast.yaml, like everything'),
  kind: kindToTake.default('manual'),
})
export const recoverSiteInput = z.strictObject({
  set: z.string().min(1, 'a set is named as in sets of holdfast.yaml, like everything'),
  recoverySet: z.string().optional().describe('its id, like 20251018_214530_everything; the newest complete one by default'),
  requestedBy: person,
  confirm: z.string().optional().describe('the digest of all targets that a run without it shows'),
})
export const rebuildInput = z.strictObject({
  projection: z.string().min(1, 'a projection is named as in projections of holdfast.yaml'),
  parameters: z.record(z.string(), z.json()).default({}).describe('over the keys of its configured body, like from_sequence'),
  requestedBy: person,
})
export const migrateInput = z.strictObject({
  source,
  schemaVersion: z.union([z.string().min(1), z.number()]).describe('the one to migrate to'),
  run: z.string().min(1, 'a migration is named as in migrations of its source, like default'),
  from: z
    .union([z.string().min(1), z.number()])
    .optional()
    .describe('the version until now: kept with the recovery point that is taken before'),
  description: z.string().optional(),
  requestedBy: person.default('unknown'),
})
export const discardInput = z.strictObject({
  source,
  instance: z.string().min(1, 'an instance is named as its recovery printed it, like pitr-20260115T120000000Z'),
  host: z.string().min(1).optional().describe('where it is, instead of asking every host of the source'),
})
export const failoverInput = z.strictObject({
  group,
  mode: z.enum(['planned', 'unplanned']),
  reason,
  requestedBy: person,
  failedAt: z.iso
    .datetime({ offset: true, error: 'a time needs its offset, like 2026-01-15T12:00:00+01:00' })
    .optional()
    .describe('when the outage began, where it is known: the report counts from then'),
  acceptLoss: z.boolean().default(false).describe('go on with a lag over the limit or unknown'),
})
export const failbackInput = z.strictObject({ group, reason, requestedBy: person })
export const rebuildStandbyInput = z.strictObject({
  group,
  requestedBy: person,
  streamed: z
    .boolean()
    .default(false)
    .describe('by a restore of the pair: it streamed until it was fenced, so nothing of it is exported or kept'),
})
export const readinessInput = z.strictObject({ group })
export const retentionInput = z
  .strictObject({ source: source.optional(), repository, dryRun: z.boolean().default(false) })
  .refine((input) => input.repository === undefined || input.source !== undefined, {
    error: 'copies are looked at source by source: name the source as well',
    path: ['source'],
  })
export const copyPointsInput = z.strictObject({
  source,
  to: z.string().min(1, 'a repository is named as in copies of the source, like dr').optional().describe('all of its copies by default'),
  thaw: z.boolean().default(false).describe('asks an archive for the points that are in one, and waits until they can be read'),
})
export const deleteInput = z.strictObject({
  source,
  recoveryPoint: pointRef,
  repository,
  confirm: z.string().describe('the id once more'),
  requestedBy: person.default('unknown'),
})
export const holdInput = z.strictObject({
  source,
  recoveryPoint: pointRef,
  repository,
  held: z.boolean().default(true),
  actor: person,
  reason,
})
export const adoptInput = z.strictObject({
  source,
  from: z
    .array(z.string().min(1))
    .default([])
    .describe('files and folders on the host of the source; for a postgres-physical source its stanza, or nothing'),
  dryRun: z.boolean().default(false),
  requestedBy: person,
})
export const rotateKeysInput = z.strictObject({
  source: source.optional(),
  dryRun: z.boolean().default(false),
  thaw: z.boolean().default(false).describe('asks an archive for the points that are in one, and waits until they can be read'),
})
export const checkKeysInput = z.strictObject({ source: source.optional() })
export const walSwitchInput = z.strictObject({ source })

export type BackupInput = z.infer<typeof backupInput>
export type RecoverSiteInput = z.input<typeof recoverSiteInput>
export type RebuildInput = z.input<typeof rebuildInput>
export type BackupSetInput = z.input<typeof backupSetInput>
export type VerifyRestoreInput = z.infer<typeof verifyRestoreInput>
export type RestoreInput = z.infer<typeof restoreInput>
/** What of a point is wanted, where, and over what. */
export type RestoreChoice = Pick<RestoreInput, 'parts' | 'into' | 'mode' | 'to' | 'toSequence'>
export type PitrInput = z.infer<typeof pitrInput>
export type FailoverInput = z.infer<typeof failoverInput>
export type FailbackInput = z.infer<typeof failbackInput>
export type RebuildStandbyInput = z.input<typeof rebuildStandbyInput>
export type MigrateInput = z.input<typeof migrateInput>
export type DiscardInput = z.infer<typeof discardInput>
export type CopyPointsInput = z.input<typeof copyPointsInput>
export type RetentionInput = z.infer<typeof retentionInput>
export type AdoptInput = z.input<typeof adoptInput>
export type DeleteInput = z.infer<typeof deleteInput>
export type RotateKeysInput = z.input<typeof rotateKeysInput>
export type CheckKeysInput = z.input<typeof checkKeysInput>

/** Each workflow type with its schema and an input that works: shown in errors, in help and tried by a test. */
export const WORKFLOWS = {
  backup: { schema: backupInput, example: { source: 'orders' } },
  backupWhenDue: { schema: backupWhenDueInput, example: { source: 'orders', kind: 'snapshot' } },
  backupSet: { schema: backupSetInput, example: { set: 'everything' } },
  verifyRestore: { schema: verifyRestoreInput, example: { source: 'orders', depth: 'full' } },
  restore: { schema: restoreInput, example: { source: 'orders', recoveryPoint: 'latest', requestedBy: 'ana' } },
  pointInTimeRecovery: { schema: pitrInput, example: { source: 'orders', target: { time: '2026-01-15T12:00:00Z' } } },
  recoverSite: { schema: recoverSiteInput, example: { set: 'everything', requestedBy: 'ana' } },
  rebuildProjection: {
    schema: rebuildInput,
    example: { projection: 'causal-graph', parameters: { from_sequence: 0 }, requestedBy: 'ana' },
  },
  migrate: { schema: migrateInput, example: { source: 'orders', schemaVersion: 3, run: 'default' } },
  discardInstance: { schema: discardInput, example: { source: 'orders', instance: 'pitr-20260115T120000000Z' } },
  failover: { schema: failoverInput, example: { group: 'orders', mode: 'unplanned', reason: 'east is down', requestedBy: 'ana' } },
  failback: { schema: failbackInput, example: { group: 'orders', reason: 'east is back', requestedBy: 'ana' } },
  rebuildStandby: { schema: rebuildStandbyInput, example: { group: 'orders', requestedBy: 'ana' } },
  evaluateReadiness: { schema: readinessInput, example: { group: 'orders' } },
  copyPoints: { schema: copyPointsInput, example: { source: 'orders', to: 'dr' } },
  retention: { schema: retentionInput, example: { source: 'orders', dryRun: true } },
  deleteRecoveryPoint: {
    schema: deleteInput,
    example: { source: 'orders', recoveryPoint: '20251018_214530_manual', confirm: '20251018_214530_manual' },
  },
  holdRecoveryPoint: {
    schema: holdInput,
    example: { source: 'orders', recoveryPoint: '20251018_214530_manual', actor: 'ana', reason: 'legal case' },
  },
  adopt: { schema: adoptInput, example: { source: 'orders', from: ['/var/backups/orders'], requestedBy: 'ana' } },
  rotateKeys: { schema: rotateKeysInput, example: { source: 'orders', dryRun: true } },
  checkKeys: { schema: checkKeysInput, example: { source: 'orders' } },
  walSwitch: { schema: walSwitchInput, example: { source: 'orders' } },
} as const
export type WorkflowType = keyof typeof WORKFLOWS
