/** Keys: what is stored made readable for the recipients of today, and the oldest points opened while somebody still can. */
import { type ActivityOptions, isCancellation, proxyActivities } from '@temporalio/workflow'
import type { BackupActivities } from '../activities/backup.ts'
import type { KeyActivities, KeyCheck, RotationReport } from '../activities/keys.ts'
import type { RetentionActivities } from '../activities/retention.ts'
import type { CheckKeysInput, RotateKeysInput } from '../src/contract/inputs.ts'
import type { Ended } from '../src/contract/messages.ts'
import { ERRORS, type ErrorCode } from '../src/core/errors.ts'
import { failure, parseInput, rootFailure } from './lib/failure.ts'
import { withLocks } from './lib/lock.ts'
import { control, dataOn } from './lib/options.ts'
import { recorded } from './lib/record.ts'
import { type ArchivedPoint, awaitReadable } from './lib/thaw.ts'
import { createView, type View } from './lib/view.ts'

const { listSources } = proxyActivities<RetentionActivities>(control)
const { resolveSource } = proxyActivities<BackupActivities>(control)

export async function rotateKeys(given: RotateKeysInput): Promise<{ sources: RotationReport[] } & Ended> {
  const { source, dryRun, thaw } = parseInput('rotateKeys', given)
  const view = createView({ ...(source && { source }), kind: 'keys' })
  const frozen: ArchivedPoint[] = []
  const rotate = async (name: string, asks: boolean) => {
    const report = await rotateSource(name, { dryRun, ...(asks && { thaw: asks }) })
    frozen.push(...(report.frozen ?? []).map((point) => ({ source: name, ...point })))
    const { rotated, points } = report
    view.step(name, 'done', `${rotated} of ${points} ${dryRun ? 'would be rotated' : 'rotated'}`)
    return report
  }
  return recorded(view, { workflow: 'rotateKeys', ...(source && { source }) }, async () => {
    const first = await ofEach(view, await namesOf(source), (name) => rotate(name, thaw))
    if (frozen.length === 0) return { sources: first }
    await awaitReadable(view, frozen)
    const later = await ofEach(view, [...new Set(frozen.map((point) => point.source))], (name) => rotate(name, false))
    return { sources: first.map((report) => together(report, later)) }
  })
}

async function rotateSource(name: string, how: { dryRun: boolean; thaw?: boolean }): Promise<RotationReport> {
  const report = await withLocks([`points/${name}`], { work: 'verify', wait: true, what: `keys of ${name}` }, async () => {
    const { rotateKeys: rotate } = proxyActivities<KeyActivities>(await whereProofsRun(name))
    return rotate.executeWithOptions({ summary: `keys of ${name}` }, [{ source: name, ...how }])
  })
  const { problems } = report
  const [first] = problems
  if (!first) return report
  const where = first.repository === undefined ? '' : ` in ${first.repository}`
  throw failure(
    codeOf(first.code),
    `${name}: ${problems.length} points were not rotated, the first is ${first.id}${where}: ${first.message}`,
    { object: first.id, details: { report } },
  )
}

/** What was rotated before and after a thaw. */
function together({ frozen: _, ...first }: RotationReport, later: readonly RotationReport[]): RotationReport {
  const again = later.find(({ source }) => source === first.source)
  return again ? { ...again, rotated: first.rotated + again.rotated, ids: [...first.ids, ...again.ids] } : first
}

export async function checkKeys(given: CheckKeysInput): Promise<{ sources: KeyCheck[] } & Ended> {
  const { source } = parseInput('checkKeys', given)
  const view = createView({ ...(source && { source }), kind: 'keys' })
  return recorded(view, { workflow: 'checkKeys', ...(source && { source }) }, async () => ({
    sources: await ofEach(view, await namesOf(source), async (name) => {
      const found = await withLocks([`points/${name}`], { work: 'verify', wait: true, what: `look at the keys of ${name}` }, async () => {
        const { checkKeys: check } = proxyActivities<KeyActivities>(await whereProofsRun(name))
        return check.executeWithOptions({ summary: `oldest point of ${name}` }, [{ source: name }])
      })
      const copies = (found.copies ?? []).map((one) => `${one.repository}: ${oldestOf(one)}`)
      view.step(name, 'done', [oldestOf(found), ...copies].join('; '))
      return found
    }),
  }))
}

function oldestOf({ point, archived }: Pick<KeyCheck, 'point' | 'archived'>): string {
  const opened =
    point === undefined ? (archived === undefined ? 'nothing encrypted' : 'nothing encrypted that can be read') : `${point} opens`
  return archived === undefined ? opened : `${opened}, ${archived} in an archive`
}

/** Where restores run as well: that worker has an identity, where any has. */
async function whereProofsRun(source: string): Promise<ActivityOptions> {
  const { host } = await resolveSource({ source, repositoryOnly: true })
  return dataOn(host)
}

const namesOf = async (source: string | undefined): Promise<string[]> => (source === undefined ? listSources() : [source])

/** One source that is busy or does not open keeps no other from being looked at; the run fails all the same. */
async function ofEach<T>(view: View, names: readonly string[], look: (name: string) => Promise<T>): Promise<T[]> {
  const found: T[] = []
  const failures: unknown[] = []
  for (const name of names) {
    view.step(name, 'running')
    try {
      found.push(await look(name))
    } catch (error) {
      view.step(name, 'failed', rootFailure(error).message)
      if (isCancellation(error)) throw error
      failures.push(error)
    }
  }
  const [first, ...others] = failures
  if (others.length > 0) throw failure(codeOf(rootFailure(first).code), failures.map((one) => rootFailure(one).message).join('; '))
  if (first) throw first
  return found
}

const codeOf = (code: string): ErrorCode => (code in ERRORS ? (code as ErrorCode) : 'UNEXPECTED')
