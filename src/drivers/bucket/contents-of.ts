/** Which contents a restore means: those of the point, or those of a time. */
import type { RestoreChoice } from '../driver.ts'
import { contentsAsOf } from './as-of.ts'
import type { Origin } from './client.ts'
import type { Contents } from './contents.ts'
import { packedContents, type Point } from './extract.ts'
import { takesOf } from './selection.ts'

export function contentsOf(origin: Origin, point: Point, choice: RestoreChoice): Contents {
  if (choice.to === undefined) return packedContents(point)
  return contentsAsOf({ origin, time: choice.to, takes: takesOf(origin.config, choice.parts), context: point.context })
}
