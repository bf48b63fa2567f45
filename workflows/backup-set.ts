/** A recovery set: a barrier across its members, their backups under a limit, one record. */
import { executeChild, isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { PlannedMember, SetActivities, Taken } from '../activities/sets.ts'
import type { BackupInput, BackupSetInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import type { BackupResult } from './backup.ts'
import { failure, parseInput, rootFailure } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { createView, type View } from './lib/view.ts'

const light = proxyActivities<SetActivities>(control)

export interface SetTaken {
  set: string
  id: string
  members: Taken[]
  warnings: string[]
}

export async function backupSet(given: BackupSetInput): Promise<SetTaken & Ended> {
  const input = parseInput('backupSet', given)
  const { set } = input
  const view = createView({ group: set, kind: 'set' })
  return recorded(
    view,
    { workflow: 'backupSet' },
    () => withLocks([`set/${set}`], { work: 'backup', wait: false, what: `backup of the set ${set}` }, () => take(input, view)),
    ({ warnings }) => (warnings.length > 0 ? 'degraded' : 'success'),
  )
}

async function take({ set, kind }: ReturnType<typeof parseInput<'backupSet'>>, view: View): Promise<SetTaken> {
  const { members, parallel } = await light.planSet({ set })
  const at = new Date(Date.now()).toISOString()
  view.phase('barrier')
  const label = `holdfast_set_${workflowInfo().runId.slice(-12)}`
  const marked = await Promise.all(members.map((member) => markOf(member, label)))
  view.phase('capture')
  const open = marked.filter(({ problem }) => problem === undefined)
  const warnings: string[] = []
  const taken = [...marked.filter(({ problem }) => problem !== undefined)]
  const next = async (): Promise<void> => {
    for (let member = open.shift(); member; member = open.shift()) taken.push(await captureOf(member, kind, view, warnings))
  }
  await Promise.all(Array.from({ length: parallel }, next))
  view.phase('record')
  const { workflowId, runId } = workflowInfo()
  const { id, complete, checks } = await light.recordSet.executeWithOptions({ summary: set }, [{ set, at, taken, workflowId, runId }])
  const failed = taken.filter(({ problem }) => problem !== undefined).map(({ source, problem }) => `${source}: ${problem}`)
  if (!complete)
    throw failure('SET_INCOMPLETE', `a required member of ${set} has no point: ${failed.join('; ')}`, {
      object: id,
      details: { members: taken },
    })
  const red = checks.filter(({ ok }) => !ok).map(({ name, expected, actual }) => `${name}: expected ${expected}, found ${actual}`)
  return { set, id, members: taken, warnings: [...failed, ...red, ...warnings] }
}

/** A member that cannot even say where it stands is not captured. */
async function markOf({ name, host }: PlannedMember, label: string): Promise<Taken> {
  try {
    const { markBarrier } = proxyActivities<SetActivities>(dataOn(host))
    return { source: name, barrier: await markBarrier.executeWithOptions({ summary: name }, [{ source: name, label }]) }
  } catch (error) {
    if (isCancellation(error)) throw error
    return { source: name, barrier: {}, problem: rootFailure(error).message }
  }
}

async function captureOf(member: Taken, kind: BackupInput['kind'], view: View, warnings: string[]): Promise<Taken> {
  const { source } = member
  view.step(source, 'running')
  try {
    const backup = await executeChild<(input: unknown) => Promise<BackupResult>>('backup', {
      workflowId: `${workflowInfo().workflowId}/${source}`,
      args: [{ source, kind }],
    })
    view.step(source, 'done', backup.id)
    warnings.push(...backup.warnings.map((warning) => `${source}: ${warning}`))
    return { ...member, id: backup.id }
  } catch (error) {
    if (isCancellation(error)) throw error
    const { message } = rootFailure(error)
    view.step(source, 'failed', message)
    return { ...member, problem: message }
  }
}
