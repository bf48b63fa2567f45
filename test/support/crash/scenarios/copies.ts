/** Points in a second repository: what was missing there is there once, whole and looked at. */
import type { CopyReport } from '../../../../workflows/copy-points.ts'
import type { Scenario } from '../scenario.ts'
import { pointsOf, repositoryProblems } from '../world/repository.ts'
import { common, idsOf, nameOf, starting, type Subject, takePoint } from './points.ts'
import { reportOf } from './restores.ts'

export const copies = (subject: Subject, to: string): Scenario => ({
  name: nameOf('copyPoints', subject),
  lane: subject.lane,
  async prepare() {
    const { lane, source } = subject
    const id = await takePoint(subject)
    return {
      start: starting(lane, 'copyPoints', { source }),
      async compare(crashed) {
        const [here, there] = [await idsOf(subject), (await pointsOf(lane, source, to)).map((point) => point.id)]
        const copied = reportOf<CopyReport>(crashed)?.copies.flatMap((made) => made.copied) ?? []
        return [
          ...(there.join() === here.join() ? [] : [`${to} has ${there.join(', ') || 'no point'} instead of ${here.join(', ')}`]),
          ...(copied.join() === id ? [] : [`the run says that it copied ${copied.join(', ') || 'nothing'} instead of ${id}`]),
          ...(await lookProblems(subject, to, id)),
          ...(await repositoryProblems(lane, source, [id], to)).map((problem) => `${to}: ${problem}`),
          ...(await common(subject, crashed)),
        ]
      },
    }
  },
})

/** What was said of the points went along, and there is one proof that somebody read the new copy there. */
async function lookProblems({ lane: { services }, source }: Subject, to: string, id: string): Promise<string[]> {
  const states = await (await services.catalog('hot')).compareCopies(await services.store(to), source)
  const proofs = (await (await services.catalog(to)).proofsOf(source, id)).filter(({ depth, ok }) => depth === 'read' && ok)
  return [
    ...states.flatMap((state) => state.notes.map((key) => `${key} is not in ${to}`)),
    ...states.filter(({ looked }) => !looked).map((state) => `nobody has looked at the copy of ${state.id}`),
    ...(proofs.length === 1 ? [] : [`the copy of ${id} has ${proofs.length} proofs`]),
  ]
}
