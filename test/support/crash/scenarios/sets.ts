/** Sources taken together, under one record; and all of them brought back by it, each once and after those that it names. */
import { createSetActivities } from '../../../../activities/sets.ts'
import type { Services } from '../../../../activities/services.ts'
import type { SetRecord } from '../../../../src/core/sets.ts'
import type { SetTaken } from '../../../../workflows/backup-set.ts'
import { causesOf } from '../../../../scripts/causes.ts'
import type { Scenario } from '../scenario.ts'
import type { Crashed, Lane } from '../stage.ts'
import { common, idsOf, starting } from './points.ts'
import { fingerprintOf, reportOf } from './restores.ts'
import type { Member } from './site.ts'

const setsOf = async ({ services }: Lane, set: string): Promise<SetRecord[]> => (await services.catalog('hot')).listSets(set)
const laneOf = ([first]: readonly Member[]): Lane => {
  if (first) return first.lane
  throw new Error('a set has members')
}

export function setBackup(members: readonly Member[], set: string): Scenario {
  const lane = laneOf(members)
  return {
    name: 'backupSet',
    lane,
    async prepare() {
      const before = (await setsOf(lane, set)).length
      const known = new Set((await Promise.all(members.map(idsOf))).flat())
      return {
        start: starting(lane, 'backupSet', { set }),
        async compare(crashed) {
          const sets = await setsOf(lane, set)
          const [record] = sets
          const told = reportOf<SetTaken>(crashed)?.id
          const problems =
            sets.length === before + 1 && record?.id === told
              ? []
              : [`${sets.length - before} new sets, the newest is ${record?.id}; the run says ${told}`]
          for (const member of members) {
            const fresh = (await idsOf(member)).filter((id) => !known.has(id))
            const named = record?.members.find(({ source }) => source === member.source)?.id
            if (fresh.join() !== named)
              problems.push(`new points of ${member.source}: ${fresh.join(', ') || 'none'}; the set names ${named}`)
            problems.push(...(await common(member, crashed, { fresh })))
          }
          return problems
        },
      }
    },
  }
}

/** The set that is brought back, with what every member held then. */
interface Kept {
  id: string
  contents: Map<string, string>
}

export function siteRecovery(members: readonly Member[], set: string): Scenario {
  const lane = laneOf(members)
  let kept: Kept | undefined
  return {
    name: 'recoverSite',
    lane,
    async prepare() {
      kept ??= await keep(members, set)
      const { id, contents } = kept
      for (const { sample } of members) await sample.change()
      const known = new Set((await Promise.all(members.map(idsOf))).flat())
      const confirm = await confirmationOf(members, id)
      return {
        start: starting(lane, 'recoverSite', { set, recoverySet: id, confirm, requestedBy: 'crash' }),
        async compare(crashed) {
          const problems: string[] = []
          for (const member of members) {
            const { source, sample } = member
            if ((await sample.contents()) !== contents.get(source))
              problems.push(`${source} does not hold what it held when ${id} was taken`)
            problems.push(...(await idsOf(member)).filter((one) => !known.has(one)).map((one) => `new point ${one} of ${source}`))
            problems.push(...(await common(member, crashed)))
          }
          return problems
        },
      }
    },
  }
}

async function keep(members: readonly Member[], set: string): Promise<Kept> {
  const lane = laneOf(members)
  const ran: Crashed = await lane.calm(starting(lane, 'backupSet', { set }))
  if ('error' in ran.outcome) throw new Error(`no set could be taken: ${causesOf(ran.outcome.error)}`)
  const contents = new Map<string, string>()
  for (const { source, sample } of members) contents.set(source, await sample.contents())
  return { id: (ran.outcome.value as SetTaken).id, contents }
}

async function confirmationOf(members: readonly Member[], recoverySet: string): Promise<string> {
  const { services, config } = laneOf(members)
  const targets = await Promise.all(members.map(async ({ lane, source }) => ({ source, fingerprint: await fingerprintOf(lane, source) })))
  return (await createSetActivities({ ...services, config } as unknown as Services).confirmationOf({ recoverySet, targets })).digest
}
