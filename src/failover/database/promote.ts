/**
 * The promotion: one command under the epoch lock, with the epoch read as the last act before it is sent. A worker that
 * was frozen anywhere before that finds the epoch raised when it thaws; one that was frozen after it changes nothing.
 */
import { lstat, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { until } from '../../process/wait.ts'
import { writeCanary } from './canary.ts'
import { epochFolder, raiseEpoch, readBeside, underEpoch, writeBeside } from './epoch.ts'
import { environmentOf, pidsOf, readPosition, type Site, withSite } from './site.ts'
import { historyName, parentOf, parseLsn } from './wal-position.ts'

export interface PromoteOptions {
  epoch: number
  /** Resolves once the point of no return is on record; nothing is sent before. */
  recordNoReturn(): Promise<void>
  /** Planned: the checkpoint record of the clean stop, and its timeline; replay must be past it. */
  mustReach?: { lsn: string; timeline: number }
  timeoutMs?: number
  canary?: boolean
}

export interface PromoteReport {
  timeline: number
  previousTimeline: number
  /** Where the new timeline leaves the old one: what the old side has behind it is lost unless it is brought over. */
  forkLsn: string
  alreadyPromoted: boolean
  replayedLsn?: string
  canary?: { at: string; lsn: string }
  seconds: number
}

/** Written before the promotion is sent: tells a retry whose promotion it finds. */
const INTENT = (epoch: number) => `promote-${epoch}.json`

/** Names of the intents that stand beside the data directory. */
export async function intentsOf(site: Site): Promise<string[]> {
  return (await readdir(epochFolder(site))).filter((name) => /^promote-\d+\.json$/.test(name))
}

/** Those of epochs before this one, once it is settled what came of them: that of this epoch stays for a retry. */
export async function removeIntents(site: Site, before: number): Promise<void> {
  for (const name of await intentsOf(site)) if (Number(/\d+/.exec(name)) < before) await rm(join(epochFolder(site), name), { force: true })
}

interface Intent {
  fromTimeline: number
  replayedLsn: string
}

export async function promote(site: Site, options: PromoteOptions): Promise<PromoteReport> {
  const { epoch } = options
  const begun = performance.now()
  const timeoutMs = options.timeoutMs ?? 60_000
  await raiseEpoch(site, epoch)
  const before = await withSite(site, readPosition)
  let intent = await readIntent(site, epoch)
  const alreadyPromoted = !before.standby
  if (alreadyPromoted && !intent)
    throw unfit(
      site,
      `is a primary on timeline ${before.timeline} already, and not by this run`,
      'find out who promoted it before anything else is done',
    )
  if (!alreadyPromoted) {
    const replayedLsn = options.mustReach ? await awaitReach(site, options.mustReach, timeoutMs) : (before.lsn ?? '0/0')
    await options.recordNoReturn()
    intent = { fromTimeline: before.timeline, replayedLsn }
    await writeBeside(site, INTENT(epoch), JSON.stringify(intent))
    await send(site, epoch, timeoutMs)
  }
  const after = await until(
    async () => {
      const position = await withSite(site, readPosition)
      return !position.standby && position
    },
    { timeoutMs, what: `site ${site.name} to leave recovery`, signal: site.signal },
  )
  const { fromTimeline, replayedLsn } = intent as Intent
  if (after.timeline <= fromTimeline)
    throw unfit(site, `left recovery on timeline ${after.timeline}, no newer one than ${fromTimeline}`, 'look at its log')
  await removeIntents(site, epoch)
  const fork = await forkOf(site, after.timeline)
  const canary = options.canary === false ? undefined : await writeCanary(site, { epoch, note: 'promoted' })
  return {
    timeline: after.timeline,
    previousTimeline: fork.timeline,
    forkLsn: fork.lsn,
    alreadyPromoted,
    replayedLsn,
    ...(canary ? { canary: { at: canary.at, lsn: canary.lsn } } : {}),
    seconds: Math.round(performance.now() - begun) / 1000,
  }
}

/** Whether the site has left recovery. Throws STANDBY_UNHEALTHY where it cannot be told: silence is not "no". */
export async function isPromoted(site: Site): Promise<boolean> {
  const position = await withSite(site, readPosition).catch(() => undefined)
  if (position) return !position.standby
  if ((await pidsOf(site)).length > 0) {
    throw new HoldfastError('STANDBY_UNHEALTHY', `site ${site.name} runs and answers nobody: whether it was promoted cannot be told`, {
      object: site.name,
      retryable: true,
    })
  }
  // A promotion removes the signal before the first write is allowed.
  return !(await present(join(site.dataDir, 'standby.signal')))
}

export const present = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  )

async function send(site: Site, epoch: number, timeoutMs: number): Promise<void> {
  const sql = `select case when pg_is_in_recovery() then pg_promote(true, ${Math.ceil(timeoutMs / 1000)}) end`
  const psql = {
    program: join(site.binDir, 'psql'),
    args: ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-c', sql],
    env: environmentOf(site),
  }
  await underEpoch(site, epoch, psql, { timeoutMs: timeoutMs + 15_000 })
}

/** Waits until the standby has replayed past the record, on its timeline; gives the position. */
export async function awaitReach(site: Site, { lsn, timeline }: { lsn: string; timeline: number }, timeoutMs: number): Promise<string> {
  let seen = await withSite(site, readPosition)
  if (seen.timeline !== timeline) {
    // A standby that followed its primary to a new timeline notes that at its next restart point, which may be hours off.
    await withSite(site, (client) => client.query('checkpoint'))
    seen = await withSite(site, readPosition)
  }
  if (seen.timeline !== timeline) throw unfit(site, `is on timeline ${seen.timeline}, the old side stopped on ${timeline}`, 're-clone it')
  const reached = () => parseLsn(seen.lsn ?? '0/0') > parseLsn(lsn)
  await until(
    async () => {
      seen = await withSite(site, readPosition)
      return reached()
    },
    { timeoutMs, what: `site ${site.name} to replay past ${lsn}`, signal: site.signal },
  ).catch((error: unknown) => {
    if (site.signal?.aborted) throw error
    throw new HoldfastError('LAG_TOO_LARGE', `site ${site.name} has replayed to ${seen.lsn}, the old side stopped at ${lsn}`, {
      object: site.name,
      cause: error,
      details: { replayed: seen.lsn, mustReach: lsn },
      next: 'wait for the standby and retry the step; or abort; or accept the loss',
    })
  })
  return seen.lsn as string
}

async function readIntent(site: Site, epoch: number): Promise<Intent | undefined> {
  const text = await readBeside(site, INTENT(epoch))
  return text ? (JSON.parse(text) as Intent) : undefined
}

/** From the history of the new timeline: what a standby says of its own is behind what it replays. */
async function forkOf(site: Site, timeline: number): Promise<{ timeline: number; lsn: string }> {
  const path = join(site.dataDir, 'pg_wal', historyName(timeline))
  const fork = parentOf(await readFile(path, 'utf8'))
  if (!fork) throw unfit(site, `has no history of timeline ${timeline}`, `look at ${path}`)
  return fork
}

function unfit(site: Site, why: string, next: string): HoldfastError {
  return new HoldfastError('STANDBY_UNHEALTHY', `site ${site.name} ${why}`, { object: site.name, next })
}
