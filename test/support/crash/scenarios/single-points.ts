/** One point held, let go and deleted, each time once. */
import { freshId, type Scenario } from '../scenario.ts'
import { common, ensurePoint, idsOf, starting, type Subject, takePoint } from './points.ts'

export const hold = (subject: Subject): Scenario => holding(subject, 'holdRecoveryPoint', true)
export const release = (subject: Subject): Scenario => holding(subject, 'holdRecoveryPoint release', false)

function holding(subject: Subject, name: string, held: boolean): Scenario {
  return {
    name,
    lane: subject.lane,
    async prepare() {
      const { lane, source } = subject
      const id = await ensurePoint(subject)
      const reason = freshId('reason')
      return {
        start: starting(lane, 'holdRecoveryPoint', { source, recoveryPoint: id, held, actor: 'crash', reason }),
        async compare(crashed) {
          const holds = await (await lane.services.catalog('hot')).holdsOf(source, id)
          const own = holds.filter((one) => one.reason === reason)
          const right = own.length === 1 && own[0]?.held === held
          const wrong = right ? [] : [`${id} has ${own.length} notes of the run`]
          return [...wrong, ...(await common(subject, crashed, { evidence: false }))]
        },
      }
    },
  }
}

export const deletion = (subject: Subject): Scenario => ({
  name: 'deleteRecoveryPoint',
  lane: subject.lane,
  async prepare() {
    const { lane, source } = subject
    // The last good one would be kept.
    await ensurePoint(subject)
    const id = await takePoint(subject)
    const before = await idsOf(subject)
    return {
      start: starting(lane, 'deleteRecoveryPoint', { source, recoveryPoint: id, confirm: id, requestedBy: 'crash' }),
      async compare(crashed) {
        const left = await idsOf(subject)
        const right = left.join() === before.filter((one) => one !== id).join()
        return [...(right ? [] : [`left: ${left.join(', ') || 'none'}`]), ...(await common(subject, crashed))]
      },
    }
  },
})
