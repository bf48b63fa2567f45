/** What is looked for in one repository of a source after the other: its own first, then those that have copies of it. */
import type { Problem } from '../src/catalog/generations.ts'
import { placesToLook } from '../src/config/copies.ts'
import { HoldfastError } from '../src/core/errors.ts'
import { firstOf, type PlaceFailure } from '../src/core/places.ts'
import type { PointSummary } from '../src/core/records.ts'
import { archiveOf } from '../src/core/transitions.ts'
import { inTime } from './in-time.ts'
import { type Services, sourceOf } from './services.ts'

export interface InPlace {
  /** Another one than that of the source. */
  repository?: string
  /** Why, where the one of the source should have had it. */
  instead?: string
  /** The storage class that has to be asked before all of the point can be read, wherever it is. */
  archived?: string
}

export interface Place {
  repository: string
  points: PointSummary[]
  /** What there cannot be trusted. */
  problems: Problem[]
  /** Found before, in an archive: only this point is of use now. */
  wanted?: string
}

export interface Search<T> {
  source: string
  /** From there and nowhere else. */
  repository?: string | undefined
  look(place: Place): Promise<T> | T
  /** Whether such a failure may be that of one repository only. */
  goesOn(error: HoldfastError): boolean
  /** What to say of a point that is taken from another repository than its own. */
  instead(own: string, place: string, failure: HoldfastError): string | undefined
}

/** Ends with the first that can be read at once; else with one that is in an archive; else with what the first look failed with. */
export async function lookInPlaces<T extends { id: string }>(services: Services, search: Search<T>): Promise<T & InPlace> {
  const { source } = search
  const configured = sourceOf(services.config, source)
  const own = configured.repository
  const places = placesToLook(configured, source, search.repository)
  const survey = async (place: string) => (await services.catalog(place)).survey(source)
  let archived: (T & InPlace) | undefined
  const look = async (repository: string, [first]: readonly PlaceFailure[]): Promise<(T & InPlace) | undefined> => {
    const there = await (places.length > 1 ? inTime(survey(repository), repository) : survey(repository))
    const found = await search.look({ repository, ...there, ...(archived && { wanted: archived.id }) })
    const why = first?.place === own ? search.instead(own, repository, first.error) : undefined
    const at = { ...found, ...(repository !== own && { repository }), ...(why !== undefined && { instead: why }) }
    const archive = archiveOf(there.points.find(({ id }) => id === found.id) as PointSummary, there.points)
    if (archive === undefined) return at
    // Another repository may have the same point where it can be read at once.
    archived ??= { ...at, archived: archive }
    return undefined
  }
  const { given = archived, failures } = await firstOf(places, look, (error) => search.goesOn(error))
  if (given) return given
  throw ofAll(failures)
}

/** As the first, which the others add their words to: whoever reads it has to know that they were asked. */
function ofAll([first, ...others]: readonly PlaceFailure[]): unknown {
  if (!first || others.length === 0) return first?.error
  const { code, message, object, next, details, retryable } = first.error
  const said = others.map(({ place, error }) => `${place}: ${error.message}`)
  return new HoldfastError(code, [message, ...said].join('; in '), {
    ...(object !== undefined && { object }),
    next,
    details,
    retryable,
    cause: first.error,
  })
}
