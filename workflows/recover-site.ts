/**
 * Total loss: every member of a recovery set brought back over what was provided for it, in the order of its dependencies.
 * Knows nothing but the configuration, the keys and the repositories.
 */
import { executeChild, isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { RestoreReport } from '../activities/restore.ts'
import type { SetActivities } from '../activities/sets.ts'
import type { RecoverSiteInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { BESIDE, type SetMember, type SetRecord } from '../src/core/sets.ts'
import { failure, parseInput, rootFailure, unanswered } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { createView, type View } from './lib/view.ts'

/** What is back now may lack what the set has: a new set would be taken as the newest from then on. */
const MEND = 'mend the named member and restore it alone: docs/total-loss.md; take no new set yet'

const light = proxyActivities<SetActivities>(control)

export interface RecoveredMember {
  source: string
  recoveryPoint?: string
  seconds: number
  warnings: string[]
  problem?: string
}
export interface SiteRecovered {
  set: string
  recoverySet: string
  members: RecoveredMember[]
  seconds: number
  warnings: string[]
}

export async function recoverSite(given: RecoverSiteInput): Promise<SiteRecovered & Ended> {
  const input = parseInput('recoverSite', given)
  const { set, requestedBy } = input
  const view = createView({ group: set, kind: 'recoverSite' })
  return recorded(
    view,
    { workflow: 'recoverSite', requestedBy },
    () => withLocks([`set/${set}`], { work: 'restore', wait: true, what: `recovery of the set ${set}` }, () => recover(input, view)),
    ({ warnings }) => (warnings.length > 0 ? 'degraded' : 'success'),
  )
}

async function recover(input: ReturnType<typeof parseInput<'recoverSite'>>, view: View): Promise<SiteRecovered> {
  const started = Date.now()
  const { set, recoverySet, confirm, requestedBy } = input
  view.phase('check')
  const { unread = [], ...record } = await light.findSet({ set, ...(recoverySet !== undefined && { recoverySet }) })
  const plan = await light.planSet({ set, restored: true })
  const targets = await fingerprints(record, new Map(plan.members.map(({ name, host }) => [name, host])))
  const { digest } = await light.confirmationOf({ recoverySet: record.id, targets })
  if (confirm !== digest) {
    const over = targets.map(({ source, fingerprint }) => `${source}: ${fingerprint}`).join('; ')
    throw failure('CONFIRM_MISMATCH', [`${record.id} would be restored over ${over}`, ...unread].join('; '), {
      object: digest,
      next: `if these are the systems that are to be filled: holdfast recover-site ${set} ${record.id} --confirm ${digest}`,
      details: { fingerprint: digest, targets },
    })
  }
  view.phase('restore')
  const members: RecoveredMember[] = []
  for (const member of record.members) {
    const target = targets.find(({ source }) => source === member.source)
    const to = plan.members.find(({ name }) => name === member.source)?.to
    const how = { confirm: target?.fingerprint, requestedBy, ...(to !== undefined && { to }) }
    members.push(await restoreMember(member, members, how, view))
  }
  const lost = members.filter(({ problem }) => problem !== undefined)
  const said = lost.map(({ source, problem }) => `${source} is not back: ${problem}`)
  const required = (source: string) => record.members.find((one) => one.source === source)?.required === true
  if (lost.some(({ source }) => required(source)))
    throw failure('SET_INCOMPLETE', [...said, ...unread].join('; '), { object: record.id, next: MEND, details: { members } })
  const warnings = [...unread, ...said, ...members.flatMap(({ source, warnings: own }) => own.map((warning) => `${source}: ${warning}`))]
  return { set, recoverySet: record.id, members, seconds: (Date.now() - started) / 1000, warnings }
}

type TargetOfMember = { source: string; fingerprint: string }

/** What each member would be restored over: a system that does not answer is found out before anything is touched. */
async function fingerprints(record: SetRecord, hosts: ReadonlyMap<string, string | undefined>): Promise<TargetOfMember[]> {
  const there = record.members.filter(({ id }) => id !== undefined)
  return Promise.all(
    there.map(async ({ source }) => {
      const host = hosts.get(source)
      const { fingerprintOf } = proxyActivities<SetActivities>(dataOn(host))
      const asked = fingerprintOf.executeWithOptions({ summary: source }, [{ source }]).catch((error: unknown) => {
        throw unanswered(error, source, host)
      })
      return { source, fingerprint: await asked }
    }),
  )
}

type RestoredMember = Partial<Pick<RestoreReport, 'warnings' | 'instance' | 'host' | 'connection'>>

/** Said as a warning: what runs is quarantined, and no primary before a person has made it one. */
const besideOf = ({ instance, host, connection }: RestoredMember): string =>
  `runs beside as ${instance}${host === undefined ? '' : ` on ${host}`} (${connection}), in quarantine: a person makes the new primary, as docs/total-loss.md shows`

/** After the members that it names; where one of those is not back, it is not begun. */
async function restoreMember(
  { source, id, after, problem }: SetMember,
  before: readonly RecoveredMember[],
  { confirm, requestedBy, ...how }: { confirm: string | undefined; requestedBy: string; to?: string },
  view: View,
): Promise<RecoveredMember> {
  const started = Date.now()
  const missing = after.find((name) => before.find((one) => one.source === name)?.problem !== undefined)
  if (id === undefined || missing !== undefined) {
    const why = missing === undefined ? `it has no point in the set: ${problem ?? 'not taken'}` : `it comes after ${missing}`
    view.step(source, 'skipped', why)
    return { source, seconds: 0, warnings: [], problem: why }
  }
  view.step(source, 'running', id)
  // Nothing is left to save: these systems are new, and somebody has confirmed each by its fingerprint.
  const over = confirm === BESIDE ? {} : { target: 'live', safetyBackup: false, confirm, ...how }
  try {
    const restored = await executeChild<(input: unknown) => Promise<RestoredMember>>('restore', {
      workflowId: `${workflowInfo().workflowId}/${source}`,
      args: [{ source, recoveryPoint: id, ...over, requestedBy }],
    })
    view.step(source, 'done', id)
    const warnings = [...(restored.warnings ?? []), ...(confirm === BESIDE ? [besideOf(restored)] : [])]
    return { source, recoveryPoint: id, seconds: (Date.now() - started) / 1000, warnings }
  } catch (error) {
    if (isCancellation(error)) throw error
    const { message } = rootFailure(error)
    view.step(source, 'failed', message)
    return { source, recoveryPoint: id, seconds: (Date.now() - started) / 1000, warnings: [], problem: message }
  }
}
