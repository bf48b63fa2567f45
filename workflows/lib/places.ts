/** A point that its repository no longer gives back whole, looked for where it has copies. */
import { isCancellation, patched, proxyActivities } from '@temporalio/workflow'
import type { ProofActivities } from '../../activities/proof.ts'
import { AT_FAULT } from '../../src/core/places.ts'
import { failure, rootFailure } from './failure.ts'
import { control } from './options.ts'

const { otherPlace } = proxyActivities<ProofActivities>(control)

/** Spread into what an activity is asked: empty where the point is in the repository of its source. */
export interface Place {
  repository?: string
}

export interface Whereabouts {
  source: string
  id: string
  place: Place
  /** Somebody named the repository: no other one is asked. */
  fixed: boolean
  /** Called for one that was found damaged, where another one is tried after it. */
  damaged?(place: Place): Promise<unknown>
}

export interface Looked<T> {
  result: T
  place: Place
  /** Where else it was looked at before, and what was wrong there. */
  warnings: string[]
}

/** It may be readable at once elsewhere. */
const ARCHIVED = 'POINT_ARCHIVED'

/**
 * Looks at the point where it is, and where that fails in the next repository that has it. `problemOf` says what of a result
 * is the fault of the repository. Where no other one has the point, it ends as the first look did.
 */
export async function wherever<T>(
  { source, id, place, fixed, damaged }: Whereabouts,
  look: (place: Place) => Promise<T>,
  problemOf: (result: T) => string | undefined = () => undefined,
): Promise<Looked<T>> {
  const warnings: string[] = []
  const tried: string[] = []
  let first: (() => Looked<T>) | undefined
  let why: string | undefined
  let archived: string | undefined
  for (let at = place; ; ) {
    const { end, problem, code } = await lookAt(at, look, problemOf)
    if (problem === undefined) return { ...end(), warnings }
    if (first && code === ARCHIVED) archived ??= at.repository
    first ??= end
    why ??= problem
    // Runs of before there were copies end here.
    if (fixed || !patched('copies')) return first()
    tried.push(at.repository ?? '')
    const { repository } = await otherPlace({ source, id, tried })
    if (repository === undefined && archived !== undefined) throw onlyArchived(source, id, archived, why)
    if (repository === undefined) return first()
    if (code === 'INTEGRITY') warnings.push(...(await noted(() => damaged?.(at), at)))
    warnings.push(`${problem}: the copy of ${id} in ${repository} was taken`)
    at = { repository }
  }
}

/** A note that cannot be left keeps nobody from the copy. */
async function noted(note: () => Promise<unknown> | undefined, { repository = 'its repository' }: Place): Promise<string[]> {
  try {
    await note()
    return []
  } catch (error) {
    if (isCancellation(error)) throw error
    return [`no proof of what is wrong could be left in ${repository}: ${rootFailure(error).message}`]
  }
}

/** Whoever names that repository waits until it is thawed. */
function onlyArchived(source: string, id: string, repository: string, why = ''): Error {
  return failure('POINT_ARCHIVED', `${why}; the copy of ${id} in ${repository} is in an archive`, {
    object: id,
    next: `holdfast restore ${source} ${id} --repository ${repository}, or holdfast verify with --thaw: both wait until it can be read`,
  })
}

async function lookAt<T>(place: Place, look: (place: Place) => Promise<T>, problemOf: (result: T) => string | undefined) {
  try {
    const result = await look(place)
    return { end: () => ({ result, place, warnings: [] }), problem: problemOf(result), code: undefined }
  } catch (error) {
    const { code, message } = rootFailure(error)
    if (isCancellation(error) || !(AT_FAULT.includes(code) || (code === ARCHIVED && patched('archived-copies')))) throw error
    const end = (): Looked<T> => {
      throw error
    }
    return { end, problem: message, code }
  }
}
