/** Every point of a source that nothing has proved yet, one after the other: what fails is told at the end and keeps no other from its turn. */
import { sourceOf } from '../config/named.ts'
import { EXIT } from '../core/errors.ts'
import { newestFirst } from '../core/points.ts'
import { depthOf } from '../core/proofs.ts'
import type { PointSummary, ProofDepth } from '../core/records.ts'
import { archiveOf } from '../core/transitions.ts'
import { type CommandContext, withServices } from './context.ts'
import { Detached } from './follow.ts'
import { failureOf } from './failure.ts'
import { surveyPlaces } from './places.ts'

interface Wish {
  source: string
  depth: string
  /** The copies there. */
  repository?: string | undefined
  /** Points in an archive class as well, each of which is waited for. */
  thaw: boolean
}
interface Proved {
  id: string
  depth: string
  passed: number
  assertions: number
  warnings?: string[]
}

/** Newest first. Rejects only where no run can be started, or the user turns away. */
export async function verifyUnproved(context: CommandContext, wish: Wish, prove: (id: string) => Promise<Proved>): Promise<number> {
  const { source, depth } = wish
  const { points, problems } = await listed(context, wish)
  const open = points.filter((point) => !isProved(point, depth as ProofDepth)).sort(newestFirst)
  const archived = wish.thaw || depth === 'list' ? [] : open.filter((point) => archiveOf(point, points) !== undefined).map(({ id }) => id)
  const proved: Proved[] = []
  const failed: { id: string; code: string; message: string; next: string }[] = []
  let exitCode: number = EXIT.ok
  for (const { id } of open) {
    if (archived.includes(id)) continue
    try {
      proved.push(await prove(id))
    } catch (error) {
      const { code, message, next, exitCode: ofOne } = failureOf(error)
      if (error instanceof Detached || code === 'TEMPORAL_UNREACHABLE') throw error
      failed.push({ id, code, message, next })
      // That a point is no good outweighs that one could not be looked at.
      exitCode = [exitCode, ofOne].includes(EXIT.integrity) ? EXIT.integrity : exitCode || ofOne
    }
  }
  context.output.result({ source, depth, points: points.length, proved, failed, archived, problems }, [
    ...proved.flatMap(({ id, passed, assertions, warnings = [] }) => [
      `${id} ${depth}: ${passed} of ${assertions} assertions`,
      ...warnings.map((warning) => `  warning: ${warning}`),
    ]),
    ...failed.map(({ id, code, message }) => `FAILED ${id}: ${code}: ${message}`),
    ...archived.map((id) => `passed over ${id}: it is in an archive class: --thaw asks for it`),
    ...problems.map(({ key, code, message }) => `NOT TRUSTED ${key}: ${code}: ${message}`),
    `${source}: ${points.length - open.length} of ${points.length} points were proved before, ${proved.length} are now, ${failed.length} failed`,
  ])
  return exitCode || (archived.length + problems.length > 0 ? EXIT.degraded : EXIT.ok)
}

function listed(context: CommandContext, { source, repository }: Wish) {
  return withServices(context, async (services, config) => {
    sourceOf(config, source)
    if (repository === undefined) return surveyPlaces(services, config, source)
    return (await services.catalog(repository)).survey(source)
  })
}

/** To be proved is to be restored: a look is enough only where no more was asked for. A proof that failed is none. */
const isProved = ({ good, proof }: PointSummary, depth: ProofDepth): boolean =>
  depth === 'restore' || depth === 'full' ? good : proof?.ok === true && depthOf(proof) >= depthOf({ depth })
