/** Stopping a site: clean where that can be shown, by force only where the zero-loss guarantee is already given up. */
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { processesIn, signalAll } from '../../process/in-folder.ts'
import type { Command } from '../../process/command.ts'
import { until } from '../../process/wait.ts'
import { readControlData } from './control-data.ts'
import { assertEpoch, underEpoch } from './epoch.ts'
import { readPidFile } from './shared-memory.ts'
import { pidsOf, type Site, siteUser } from './site.ts'

export interface Stopped {
  /** The program said so and the control file says `shut down`: every acknowledged write is in the checkpointed log. */
  clean: boolean
  how: 'was down' | 'fast' | 'immediate' | 'killed'
  killed: number[]
}

export interface StopOptions {
  epoch: number
  mode: 'planned' | 'unplanned'
  timeoutMs: number
}

const LINGER_MS = 5_000

export async function stopSite(site: Site, options: StopOptions): Promise<Stopped> {
  if ((await pidsOf(site)).length === 0) return { clean: await saysShutDown(site), how: 'was down', killed: [] }
  const exitCode = await pgCtlStop(site, options.epoch, 'fast', options.timeoutMs)
  // An archive command of the stopped server may still be ending.
  if (exitCode === 0) await nobodyLeft(site, LINGER_MS).catch(() => {})
  if ((await pidsOf(site)).length === 0) return { clean: exitCode === 0 && (await saysShutDown(site)), how: 'fast', killed: [] }
  if (options.mode === 'planned') throw await undecided(site, options.timeoutMs)
  await pgCtlStop(site, options.epoch, 'immediate', LINGER_MS)
  const killed = await killAll(site, options.epoch)
  return { clean: false, how: killed.length > 0 ? 'killed' : 'immediate', killed }
}

/** The exit code; undefined where there is no postmaster to ask. Never trusted alone: it may say 1 with the server still up. */
async function pgCtlStop(site: Site, epoch: number, mode: 'fast' | 'immediate', timeoutMs: number): Promise<number | undefined> {
  const postmaster = await readPidFile(site)
  if (!postmaster || !(await pidsOf(site)).includes(postmaster.pid)) return undefined
  const seconds = Math.max(1, Math.ceil(timeoutMs / 1000))
  const command: Command = {
    program: join(site.binDir, 'pg_ctl'),
    args: ['stop', '-D', site.dataDir, '-m', mode, '-t', String(seconds)],
    cwd: '/',
    user: siteUser(site),
  }
  return (await underEpoch(site, epoch, command, { accept: [0, 1], timeoutMs: (seconds + 15) * 1000 })).exitCode
}

/** SIGKILL to everything that works in the data directory, again and again until nothing does; gives the pids. */
export async function killAll(site: Site, epoch: number): Promise<number[]> {
  const killed = new Set<number>()
  await until(
    async () => {
      const left = await processesIn(site.dataDir)
      if (left.length === 0) return true
      await assertEpoch(site, epoch)
      for (const { pid } of left) killed.add(pid)
      signalAll(left, 'SIGKILL')
      return false
    },
    { timeoutMs: 30_000, everyMs: 20, what: `the killed processes of site ${site.name} to end`, signal: site.signal },
  )
  return [...killed]
}

function nobodyLeft(site: Site, timeoutMs: number): Promise<true> {
  return until(async () => (await pidsOf(site)).length === 0, {
    timeoutMs,
    everyMs: 20,
    what: `site ${site.name} to end`,
    signal: site.signal,
  })
}

async function saysShutDown(site: Site): Promise<boolean> {
  return (await readControlData(site)).state === 'shut down'
}

async function undecided(site: Site, timeoutMs: number): Promise<HoldfastError> {
  const left = await processesIn(site.dataDir)
  const names = left.map(({ pid, name }) => `${pid} (${name})`).join(', ')
  return new HoldfastError('FENCE_UNPROVEN', `site ${site.name} did not stop within ${timeoutMs / 1000} s: still there ${names}`, {
    object: site.dataDir,
    details: { pids: left.map(({ pid }) => pid) },
    next: 'look at what it waits for (a standby whose receiver hangs holds it), then retry the step; or abort; or stop it by force with mode unplanned, which gives up the zero-loss guarantee',
  })
}
