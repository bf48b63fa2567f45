/** Retention: three points of which one is to stay, put there as if they had been taken. */
import { addPoint } from '../../catalog.ts'
import type { Scenario } from '../scenario.ts'
import { common, idsOf, nameOf, starting, type Subject } from './points.ts'

const HOUR_MS = 3_600_000

export const expiry = (subject: Subject): Scenario => ({
  name: nameOf('retention', subject),
  lane: subject.lane,
  async prepare() {
    const { lane, source } = subject
    const [store, catalog] = [await lane.services.store('hot'), await lane.services.catalog('hot')]
    const ids: string[] = []
    for (const hours of [3, 2, 1]) ids.push((await addPoint(store, idBefore(hours), { source }, catalog)).id)
    return {
      start: starting(lane, 'retention', { source }),
      async compare(crashed) {
        const left = await idsOf(subject)
        const right = left.length === 1 && left[0] === ids.at(-1)
        const wrong = right ? [] : [`left: ${left.join(', ') || 'none'} instead of ${ids.at(-1)}`]
        return [...wrong, ...(await common(subject, crashed, { evidence: false }))]
      },
    }
  },
})

function idBefore(hours: number): string {
  const at = new Date(Date.now() - hours * HOUR_MS).toISOString()
  return `${at.replace(/[-:]/g, '').replace('T', '_').slice(0, 15)}_manual`
}
