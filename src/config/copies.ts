/** The copies of a source, whichever way its configuration states them. */
import type { PointKind } from '../core/ids.ts'
import { HoldfastError } from '../core/errors.ts'
import type { SourceConfig } from './schema.ts'

export interface CopyTarget {
  to: string
  kinds?: PointKind[] | undefined
  newest?: number | undefined
  schedule?: { calendar: string; timezone: string } | undefined
  log: boolean
  verify: 'list' | 'read'
}

/** In the order in which a restore takes them where the source's own repository is gone. */
export function copiesOf({ copies = [] }: Partial<Pick<SourceConfig, 'copies'>>): CopyTarget[] {
  return copies.map((copy) => (typeof copy === 'string' ? { to: copy, log: true, verify: 'read' } : copy))
}

/** Where points of the source may be: its own repository, then those of its copies. */
export function repositoriesOf(source: Pick<SourceConfig, 'repository' | 'copies'>): [string, ...string[]] {
  return [source.repository, ...copiesOf(source).map(({ to }) => to)]
}

/** The same, or the one that is named. Throws NOT_FOUND where no point of the source is ever in that. */
export function placesToLook(
  source: Pick<SourceConfig, 'repository' | 'copies'>,
  name: string,
  repository?: string,
): [string, ...string[]] {
  const all = repositoriesOf(source)
  if (repository === undefined) return all
  if (all.includes(repository)) return [repository]
  throw new HoldfastError('NOT_FOUND', `${name} has no points in a repository "${repository}"; it has them in ${all.join(', ')}`, {
    object: repository,
    next: `name one of ${all.join(', ')}, or add it to sources.${name}.copies`,
  })
}
