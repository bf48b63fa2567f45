/** The lane of the pair: switched over on purpose and after a fence, and brought home. */
import { rm } from 'node:fs/promises'
import type { RestoreReport } from '../../../../activities/restore.ts'
import type { Ended } from '../../../../src/contract/messages.ts'
import type { FailbackReport, FailoverReport, StandbyReport } from '../../../../src/contract/failover.ts'
import type { Config } from '../../../../src/config/schema.ts'
import { causesOf } from '../../../../scripts/causes.ts'
import { readEpoch } from '../../../../src/failover/database/epoch.ts'
import { freshId, type Prepared, type Scenario } from '../scenario.ts'
import type { Crashed, CrashStage, Lane, Start } from '../stage.ts'
import { ensurePoint, starting } from './points.ts'
import { KEPT, SHORT } from './stanza.ts'
import { foldersOf, highestEpoch, type Other, pairProblems, primariesOf, sitesOf } from '../world/pair.ts'

export interface PairLane {
  lane: Lane
  readiness: Scenario
  /** To the other side and with a clean stop, from whichever takes writes. */
  failoverPlanned: Scenario
  /** From home, with a primary that is taken by surprise. */
  failover: Scenario
  failback: Scenario
  /** From whichever takes writes, after the other one was taken by surprise. */
  rebuildStandby: Scenario
  /** The side that takes writes replaced by what was archived of it. */
  restoreLive: Scenario
}

const HOME = 'east'
const GROUP = 'shop'
const why = { reason: 'a crash round', requestedBy: 'crash' }

export async function openPair(stage: CrashStage): Promise<PairLane> {
  const { stack } = stage
  // Whichever scenario comes first: the check of the group asks for a row.
  await stack.pair.primary.query("create table kept (id bigserial primary key, note text unique); insert into kept (note) values ('first')")
  const lane = await stage.openLane('pair', (settings) => {
    const group = settings['failoverGroups'][GROUP] as Config['failoverGroups'][string]
    group.approvals = { count: 0, within: '30m' }
    group.checks = [{ sql: 'select count(*) > 0 from kept' }]
    const shop = { ...settings['sources'].shop, schedules: {}, verify: {} }
    settings['sources'] = { [KEPT]: { ...shop, retention: { keepLast: 1_000 } }, [SHORT]: { ...shop, retention: { keepLast: 1 } } }
  })
  const place: Place = { stage, lane, folders: await foldersOf(stack) }
  return {
    lane,
    readiness: readiness(place),
    failoverPlanned: failoverPlanned(place),
    failover: failover(place),
    failback: failback(place),
    rebuildStandby: rebuildStandby(place),
    restoreLive: restoreLive(place),
  }
}

interface Place {
  stage: CrashStage
  lane: Lane
  folders: Record<string, string[]>
}

const switchOver = (lane: Lane, type: string, input: object): Start => starting(lane, type, { group: GROUP, ...why, ...input })

/** Looks and changes nothing. */
const readiness = (place: Place): Scenario => ({
  name: 'evaluateReadiness',
  lane: place.lane,
  async prepare() {
    const { stack } = place.stage
    const now = await healthy(place)
    const epoch = await highestEpoch(stack)
    return {
      start: starting(place.lane, 'evaluateReadiness', { group: GROUP }),
      async compare({ outcome }) {
        const ready = 'value' in outcome && (outcome.value as { ready: boolean }).ready
        const [primaries, after] = [(await primariesOf(stack)).join(' and '), await highestEpoch(stack)]
        return [
          ...(ready ? [] : ['the pair is said not to be ready']),
          ...(primaries === now && after === epoch ? [] : [`${primaries} takes writes at epoch ${after}; it was ${now} at ${epoch}`]),
        ]
      },
    }
  },
})

const failoverPlanned = (place: Place): Scenario => ({
  name: 'failover planned',
  lane: place.lane,
  async prepare() {
    const from = await healthy(place)
    return switching(place, switchOver(place.lane, 'failover', { mode: 'planned' }), { from, other: 'streaming' })
  },
})

const failover = (place: Place): Scenario => ({
  name: 'failover',
  lane: place.lane,
  async prepare() {
    if ((await healthy(place)) !== HOME) await calm(place, 'failover', { mode: 'planned' })
    return switching(place, switchOver(place.lane, 'failover', { mode: 'unplanned', acceptLoss: true }), { from: HOME, other: 'fenced' })
  },
})

const failback = (place: Place): Scenario => ({
  name: 'failback',
  lane: place.lane,
  async prepare() {
    const from = await primary(place)
    if (from === HOME) await calm(place, 'failover', { mode: 'unplanned', acceptLoss: true })
    return switching(place, switchOver(place.lane, 'failback', {}), { from: other(place, HOME), other: 'streaming' })
  },
})

const rebuildStandby = (place: Place): Scenario => ({
  name: 'rebuildStandby',
  lane: place.lane,
  async prepare() {
    const { stage, lane, folders } = place
    await healthy(place)
    await calm(place, 'failover', { mode: 'unplanned', acceptLoss: true })
    const [now, before] = [await primary(place), await highestEpoch(stage.stack)]
    const own = await readEpoch(site(stage, now).config)
    const row = freshId('row')
    await site(stage, now).query(`insert into kept (note) values ('${row}')`)
    return {
      start: starting(lane, 'rebuildStandby', { group: GROUP, requestedBy: why.requestedBy }),
      async compare({ outcome }) {
        if ('error' in outcome) return []
        const { outcome: end } = outcome.value as StandbyReport & Ended
        const epoch = { [now]: own, [other(place, now)]: before + 1 }
        const told = end === 'success' ? [] : [`the outcome is ${end}`]
        return [...told, ...(await pairProblems(stage.stack, { primary: now, other: 'streaming', epoch, folders, row }))]
      },
    }
  },
})

const restoreLive = (place: Place): Scenario => ({
  name: 'restore live physical',
  lane: place.lane,
  async prepare() {
    const { stage, lane, folders } = place
    const now = await healthy(place)
    const id = await ensurePoint({ lane, source: KEPT, problems: async () => [] })
    const [before, own] = [await highestEpoch(stage.stack), await readEpoch(site(stage, now).config)]
    const row = freshId('row')
    await site(stage, now).query(`insert into kept (note) values ('${row}')`)
    await calm(place, 'walSwitch', { source: KEPT })
    const [control] = await site(stage, now).query('select system_identifier::text as id from pg_control_system()')
    const { host, dataDir } = site(stage, now).config
    const confirm = `${host}:${dataDir}:${control?.['id']}`
    const input = {
      source: KEPT,
      recoveryPoint: id,
      requestedBy: why.requestedBy,
      target: 'live',
      confirm,
      safetyBackup: false,
      to: 'latest',
    }
    return {
      start: starting(lane, 'restore', input),
      async compare({ outcome }) {
        if ('error' in outcome) return []
        const { outcome: end, warnings = [], keptAs } = outcome.value as RestoreReport & Ended
        const told = end === 'success' ? [] : [`the outcome is ${end}: ${warnings.join('; ')}`]
        if (keptAs !== undefined) await rm(keptAs, { recursive: true })
        const left = keptAs === undefined ? ['what was replaced is not kept'] : []
        // Fenced for the data change, and again to be rebuilt.
        const epoch = { [now]: own, [other(place, now)]: before + 2 }
        return [...told, ...left, ...(await pairProblems(stage.stack, { primary: now, other: 'streaming', epoch, folders, row }))]
      },
    }
  },
})

/** A row that is there before the switch, and the pair as it has to be afterwards. */
async function switching(
  { stage, folders }: Place,
  start: Start,
  { from, other: state }: { from: string; other: Other },
): Promise<Prepared> {
  const { stack } = stage
  const row = freshId('row')
  await site(stage, from).query(`insert into kept (note) values ('${row}')`)
  const before = await highestEpoch(stack)
  return {
    start,
    async compare({ outcome }) {
      const to = sitesOf(stack).find(({ name }) => name !== from)?.name ?? ''
      if ('error' in outcome) return [`after the failure ${(await primariesOf(stack)).join(' and ') || 'nobody'} takes writes`]
      const report = outcome.value as (FailoverReport | FailbackReport) & Ended
      const epoch = 'switch' in report ? report.switch.epoch : report.epoch
      const told = [
        ...(report.outcome === 'success' ? [] : [`the outcome is ${report.outcome}: ${report.guaranteesLost.join('; ')}`]),
        ...(epoch > before ? [] : [`the epoch ${epoch} is not above ${before}`]),
      ]
      return [...told, ...(await pairProblems(stack, { primary: to, other: state, epoch, folders, row }))]
    },
  }
}

const site = ({ stack }: CrashStage, name: string) => {
  const found = sitesOf(stack).find((one) => one.name === name)
  if (!found) throw new Error(`no site ${name}`)
  return found
}
const other = ({ stage }: Place, name: string) => sitesOf(stage.stack).find((one) => one.name !== name)?.name ?? ''

async function primary({ stage }: Place): Promise<string> {
  const primaries = await primariesOf(stage.stack)
  if (primaries.length === 1 && primaries[0]) return primaries[0]
  throw new Error(`the pair cannot be used: ${primaries.join(' and ') || 'nobody'} takes writes`)
}

/** Both sides up, one streaming from the other: brought home where it is not so. Gives the primary. */
async function healthy(place: Place): Promise<string> {
  const now = await primary(place)
  const streaming = await site(place.stage, now).query("select 1 from pg_stat_replication where state = 'streaming'")
  if (streaming.length > 0) return now
  await calm(place, 'failback', {})
  return primary(place)
}

async function calm({ lane }: Place, type: string, input: object): Promise<Crashed> {
  const ran = await lane.calm('source' in input ? starting(lane, type, input) : switchOver(lane, type, input))
  if ('error' in ran.outcome) throw new Error(`the pair could not be prepared: ${type} failed: ${causesOf(ran.outcome.error)}`)
  return ran
}
