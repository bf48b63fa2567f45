/** A pair after a switch: one side takes writes, the other streams or is fenced, clients are sent to the first. */
import { readdir } from 'node:fs/promises'
import type { PairSite } from '../../../../scripts/toolbox/pair.ts'
import { RECORD } from '../../../../scripts/quickstart/names.ts'
import type { Stack } from '../../../../scripts/quickstart/stack.ts'
import { processesIn } from '../../../../src/process/in-folder.ts'
import { isPinned } from '../../../../src/failover/database/control-data.ts'
import { readEpoch } from '../../../../src/failover/database/epoch.ts'
import { intentsOf } from '../../../../src/failover/database/promote.ts'
import { currentAddress } from '../../../../src/failover/route.ts'
import { until } from '../../../../src/process/wait.ts'
import { siteOf } from '../../sites.ts'
import { serverProblems } from './source.ts'

export type Other = 'streaming' | 'fenced'

export const sitesOf = ({ pair }: Stack): PairSite[] => [pair.primary, pair.standby]

/** Which sides take writes at this moment. */
export async function primariesOf(stack: Stack): Promise<string[]> {
  const asked = sitesOf(stack).map(async (site) => {
    const rows = await site.query('select pg_is_in_recovery() as standby').catch(() => [])
    return rows[0]?.['standby'] === false ? [site.name] : []
  })
  return (await Promise.all(asked)).flat()
}

export async function highestEpoch(stack: Stack): Promise<number> {
  return Math.max(...(await Promise.all(sitesOf(stack).map(({ config }) => readEpoch(config)))))
}

/** What stands beside the data directories: a rebuilding leaves nothing there. */
export async function foldersOf(stack: Stack): Promise<Record<string, string[]>> {
  return Object.fromEntries(await Promise.all(sitesOf(stack).map(async ({ name, dir }) => [name, (await readdir(dir)).sort()] as const)))
}

export interface Wanted {
  primary: string
  other: Other
  /** Of both sides, or of each. */
  epoch: number | Readonly<Record<string, number>>
  folders: Record<string, string[]>
  /** A row that has to be there, by its note. */
  row: string
}

export async function pairProblems(stack: Stack, wanted: Wanted): Promise<string[]> {
  const [primary, other] = sitesOf(stack).sort(({ name }) => (name === wanted.primary ? -1 : 1)) as [PairSite, PairSite]
  const primaries = await primariesOf(stack)
  if (primaries.join() !== wanted.primary) return [`${primaries.join(' and ') || 'nobody'} takes writes instead of ${wanted.primary}`]
  const address = await currentAddress(RECORD, stack.dns.server)
  const rows = await primary.query(`select count(*)::int as found from kept where note = '${wanted.row}'`)
  const folders = await foldersOf(stack)
  return [
    ...(address === primary.config.address ? [] : [`${RECORD} is ${address} instead of ${primary.config.address}`]),
    ...(rows[0]?.['found'] === 1 ? [] : [`the row "${wanted.row}" is there ${rows[0]?.['found']} times`]),
    ...(await epochProblems(stack, wanted)),
    ...(await intentProblems(stack, wanted)),
    ...Object.entries(wanted.folders).flatMap(([site, before]) => unexpected(site, before, folders[site] ?? [])),
    ...(wanted.other === 'fenced' ? await fencedProblems(stack, other) : await streamingProblems(stack, primary, other)),
    ...(await serverProblems(primary, { slots: [stack.pair.slot] })).map((problem) => `${primary.name}: ${problem}`),
  ]
}

async function epochProblems(stack: Stack, { primary, other, epoch }: Wanted): Promise<string[]> {
  const epochs = await Promise.all(sitesOf(stack).map(async ({ name, config }) => ({ name, at: await readEpoch(config) })))
  return epochs.flatMap(({ name, at }) => {
    const wanted = epochOf(epoch, name)
    return at === wanted ? [] : [`${name} (${name === primary ? 'primary' : other}) is at epoch ${at} instead of ${wanted}`]
  })
}

const epochOf = (epoch: Wanted['epoch'], site: string): number | undefined => (typeof epoch === 'number' ? epoch : epoch[site])

/** The promoted side keeps its own for a step that is sent again; any other is of a promotion that nobody settled. */
async function intentProblems(stack: Stack, { primary, epoch }: Wanted): Promise<string[]> {
  const found = sitesOf(stack).map(async (site) => {
    const own = site.name === primary ? `promote-${epochOf(epoch, primary)}.json` : ''
    return (await intentsOf(siteOf(stack.pair, site))).filter((name) => name !== own).map((name) => `${name} on ${site.name}`)
  })
  return (await Promise.all(found)).flat()
}

function unexpected(site: string, before: string[], now: string[]): string[] {
  const known = new Set([...before, 'data.holdfast'])
  return [
    ...now.filter((name) => !known.has(name)).map((name) => `${name} in the folder of ${site}`),
    ...before.filter((name) => !now.includes(name)).map((name) => `no ${name} in the folder of ${site}`),
  ]
}

/** Nothing runs there, and a start is refused, whoever asks for it. */
async function fencedProblems(stack: Stack, site: PairSite): Promise<string[]> {
  const started = await site.supervise('start').catch((error: Error) => ({ exitCode: 1, message: error.message }))
  const running = await processesIn(site.config.dataDir)
  return [
    ...(started.exitCode === 0 ? [`the fenced ${site.name} could be started`] : []),
    ...running.map(({ pid, name }) => `process ${pid} ${name} on the fenced ${site.name}`),
    ...((await isPinned(siteOf(stack.pair, site))) ? [] : [`${site.name} is not pinned`]),
  ]
}

async function streamingProblems(stack: Stack, primary: PairSite, standby: PairSite): Promise<string[]> {
  const streams = async () => {
    const rows = await primary.query(
      `select 1 from pg_replication_slots s join pg_stat_replication r on r.pid = s.active_pid
       where s.slot_name = '${stack.pair.slot}' and r.state = 'streaming'`,
    )
    return rows.length === 1
  }
  const streaming = await until(streams, { timeoutMs: 20_000, everyMs: 200, what: `${standby.name} to stream` }).catch(() => false)
  const own = (await serverProblems(standby)).map((problem) => `${standby.name}: ${problem}`)
  return streaming ? own : [`${standby.name} does not stream from ${primary.name} through ${stack.pair.slot}`, ...own]
}
