/** A recovery point brought back: verified first, a safety backup of what it replaces, restored aside, asserted, swapped in one transaction. */
import { type ActivityInterfaceFor, executeChild, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { BackupActivities, Resolved } from '../activities/backup.ts'
import type { ProofActivities } from '../activities/proof.ts'
import type { RecoverActivities } from '../activities/recover.ts'
import type { RestoreActivities, RestoreReport } from '../activities/restore.ts'
import type { RestoreChoice, RestoreInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { shellWord } from '../src/core/shell.ts'
import type { BackupResult } from './backup.ts'
import { changeNext, failure, parseInput } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn, undoOn } from './lib/options.ts'
import { type Place, wherever } from './lib/places.ts'
import { recorded } from './lib/record.ts'
import { lookAtOther } from './lib/other-side.ts'
import { createSaga, type Saga, undoing } from './lib/saga.ts'
import { askAfterwards, rebuildProjections, stopApplications } from './lib/surroundings.ts'
import { requireReadable, whenReadable } from './lib/thaw.ts'
import { createView, type View } from './lib/view.ts'

const { resolveSource } = proxyActivities<BackupActivities>(control)
const { resolvePoint } = proxyActivities<ProofActivities>(control)

export async function restore(given: RestoreInput): Promise<RestoreReport & Ended> {
  const input = parseInput('restore', given)
  const { source, target, requestedBy } = input
  const view = createView({ source, kind: `restore ${target}` })
  // What is replaced is neither backed up nor failed over meanwhile.
  const resources = [`points/${source}`, ...(target === 'live' ? [`source/${source}`] : [])]
  const locking = { work: 'restore', wait: true, what: `restore of ${source}` } as const
  const saga = createSaga((name) => view.step(name, 'undone'))
  return recorded(
    view,
    { workflow: 'restore', source, requestedBy },
    () =>
      whenReadable(view, (pinned) =>
        withLocks(resources, locking, async () => {
          const placed = await resolveSource({ source, repositoryOnly: target === 'beside', ...(target === 'live' && { live: true }) })
          const act = () =>
            undoing(saga, () => bringBack(pinned ? { ...input, recoveryPoint: pinned.id } : input, placed, view, saga)).catch((error) => {
              throw changeNext(error, 'CONFIRM_MISMATCH', (next) => confirmable(next, input))
            })
          return placed.pair === undefined ? act() : withLocks([`group/${placed.pair}`], locking, act)
        }),
      ),
    ({ warnings }) => (warnings === undefined ? 'success' : 'degraded'),
  )
}

async function bringBack(
  input: ReturnType<typeof parseInput<'restore'>>,
  { host, pair }: Resolved,
  view: View,
  saga: Saga,
): Promise<RestoreReport> {
  const { source, target, confirm } = input
  const choice = choiceOf(input)
  const heavy = proxyActivities<RestoreActivities & ProofActivities>(dataOn(host))
  const undo = proxyActivities<RestoreActivities & RecoverActivities>(undoOn(host))
  const { id, place, ready, warnings } = await findWhole(input, heavy, view)
  const other = pair === undefined ? undefined : await lookAtOther({ group: pair, host, view, saga })
  const around = ready.around ?? { applications: [], projections: [] }
  // Before the safety backup: it has their last writes.
  const applications = await stopApplications(around, saga, view)
  const safety = target === 'live' && input.safetyBackup ? await safetyBackup(input, id, view) : undefined
  view.phase('restore')
  const instance = `restore-${workflowInfo().runId.slice(-12)}`
  if (target === 'live') saga.undoBy('removeAside', () => undo.removeAside({ source, id, instance, ...place, ...choice }))
  else saga.undoBy('discardInstance', () => undo.discardInstance({ source, instance }))
  const made = await heavy.restoreAside.executeWithOptions({ summary: `${id} ${target}` }, [
    { source, id, instance, target, ...place, ...choice },
  ])
  const restored = { ...made, ...place, ...(warnings.length > 0 && { warnings }) }
  if (target === 'beside') return restored
  await other?.fence()
  view.phase('swap')
  const swapped = await heavy.swapIn.executeWithOptions({ summary: ready.fingerprint }, [
    { source, id, instance, confirm: confirm ?? '', ...(restored.oid !== undefined && { oid: restored.oid }), ...place, ...choice },
  ])
  other?.swapped()
  if (ready.around) view.phase('applications')
  const started = [...(await applications.start()), ...(await rebuildProjections(around, view))]
  const asked = await askAfterwards(ready.afterwards ?? [], view, (name) =>
    heavy.askAfterwards.executeWithOptions({ summary: name }, [{ source, name }]),
  )
  const standby = (await other?.follow(input.requestedBy)) ?? { notes: [], warnings: [] }
  const said = [...warnings, ...(swapped.warnings ?? []), ...started, ...asked, ...standby.warnings]
  const notes = [...(swapped.notes ?? []), ...standby.notes]
  return {
    ...restored,
    ...swapped,
    ...(notes.length > 0 && { notes }),
    ...(said.length > 0 && { warnings: said }),
    ...(safety !== undefined && { safetyBackup: safety }),
  }
}

type Heavy = Pick<RestoreActivities, 'checkRestore'> & Pick<ProofActivities, 'proveRestore'>

interface Whole {
  id: string
  place: Place
  ready: Awaited<ReturnType<Heavy['checkRestore']>>
  warnings: string[]
}

/** The point that is meant, from a repository where nothing refuses its restore and all of it can be read. */
async function findWhole(input: ReturnType<typeof parseInput<'restore'>>, heavy: ActivityInterfaceFor<Heavy>, view: View): Promise<Whole> {
  const { source, target, confirm } = input
  const named: Place = input.repository === undefined ? {} : { repository: input.repository }
  const {
    id,
    warnings = [],
    repository,
    instead,
    archived,
  } = await resolvePoint({ source, recoveryPoint: input.recoveryPoint, sound: true, ...named })
  if (archived !== undefined) await requireReadable({ source, id, ...(repository !== undefined && { repository }), archived }, true)
  const { workflowId, runId } = workflowInfo()
  const at = { source, id, fixed: input.repository !== undefined }
  view.phase('check')
  const checked = await wherever({ ...at, place: repository === undefined ? {} : { repository } }, (place) =>
    heavy.checkRestore.executeWithOptions({ summary: id }, [
      { source, id, target, ...(confirm !== undefined && { confirm }), ...place, ...choiceOf(input) },
    ]),
  )
  view.phase('verify')
  const read = await wherever(
    { ...at, place: checked.place },
    (place) =>
      heavy.proveRestore.executeWithOptions({ summary: `${id} read` }, [
        { source, id, depth: 'read', keep: false, workflowId, runId, ...place },
      ]),
    ({ ok, failures }) => (ok ? undefined : failures.join('; ')),
  )
  if (!read.result.ok) throw failure('INTEGRITY', `${id} cannot be restored: ${read.result.failures.join('; ')}`, { object: id })
  const said = [...(instead === undefined ? [] : [instead]), ...warnings, ...checked.warnings, ...read.warnings]
  return { id, place: read.place, ready: checked.result, warnings: said }
}

/** Nothing at all where nothing was chosen: the activities are then asked as ever. */
function choiceOf({ parts, into, mode, to, toSequence }: RestoreInput): { choice?: RestoreChoice } {
  const choice = {
    ...(parts && { parts }),
    ...(into !== undefined && { into }),
    ...(mode && { mode }),
    ...(to !== undefined && { to }),
    ...(toSequence !== undefined && { toSequence }),
  }
  return Object.keys(choice).length > 0 ? { choice } : {}
}

/** The command that a driver prints has the fingerprint; without all that was chosen it would bring back something else. */
function confirmable(next: string, { parts = [], into, mode, to, toSequence, repository, safetyBackup }: RestoreInput): string | undefined {
  if (!next.includes(' --confirm ')) return undefined
  const given = { part: parts, into, mode, to, 'to-sequence': toSequence, repository }
  const words = Object.entries(given).flatMap(([option, value]) =>
    [value ?? []].flat().map((one) => `--${option} ${shellWord(String(one))}`),
  )
  return [next, ...words, ...(safetyBackup ? [] : ['--no-safety-backup'])].join(' ')
}

/** What is about to be replaced, as a recovery point of its own. */
async function safetyBackup(
  { source, requestedBy }: Pick<RestoreInput, 'source' | 'requestedBy'>,
  id: string,
  view: View,
): Promise<string> {
  view.phase('safety backup')
  const taken = await executeChild<(input: unknown) => Promise<BackupResult>>('backup', {
    workflowId: `${workflowInfo().workflowId}/safety`,
    args: [{ source, kind: 'pre_restore', description: `before the restore of ${id} by ${requestedBy}` }],
  })
  return taken.id
}
