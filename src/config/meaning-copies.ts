/** What the shape of copies cannot say: repositories that two entries name, and points that cannot be copied. */
import type { Path } from './problem.ts'

type Fields = Record<string, unknown>

/** `copies` as they were written; `at` is the source. */
export function checkCopies(
  { driver, repository }: Fields,
  copies: readonly unknown[],
  at: (...rest: Path) => Path,
  report: (path: Path, message: string) => void,
): void {
  if (copies.length > 0 && driver === 'postgres-physical')
    report(
      at('copies'),
      'a postgres-physical point lies in the repository of pgBackRest, which writes its own second one: set repo2-path, or repo2-type=s3 and what belongs to it, in pgbackrestConfig, and leave copies out',
    )
  const named = copies.map((copy) => (typeof copy === 'string' ? copy : (copy as Fields | null)?.['to']))
  for (const [index, to] of named.entries()) {
    if (typeof to !== 'string') continue
    if (to === repository) report(at('copies', index), `${to} is the repository of the source itself: name another one`)
    else if (named.indexOf(to) < index) report(at('copies', index), `${to} stands there twice: say in one entry what goes there`)
  }
}
