/** Real activities among fakes: their errors arrive as the worker's interceptor makes them. */
import { toFailure } from '../../../activities/errors.ts'
import type { Fakes } from './stage.ts'

export function failing(activities: Fakes): Fakes {
  return Object.fromEntries(
    Object.entries(activities).map(([name, run]) => [
      name,
      (input: Parameters<typeof run>[0]) =>
        run(input).catch((error: unknown) => {
          throw toFailure(error)
        }),
    ]),
  )
}
