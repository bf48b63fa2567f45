/** Which contents a restore means: those of the point, or those of a time. */
import type { RestoreChoice } from '../driver.ts'
import { contentsAsOf } from './as-of.ts'
import type { Origin } from './client.ts'
import type { Contents } from './contents.ts'
import { copiedContents } from './copied-contents.ts'
import { copiesOf } from './copies.ts'
import { packedContents } from './extract.ts'
import type { Point } from './indexed.ts'
import { takesOf } from './selection.ts'

export function contentsOf(origin: Origin, point: Point, choice: RestoreChoice): Contents {
  const copies = copiesOf(origin, point.manifest)
  if (choice.to === undefined) return copies ? copiedContents(copies, point) : packedContents(point)
  return contentsAsOf({ origin, time: choice.to, takes: takesOf(origin.config, choice.parts), context: point.context })
}
