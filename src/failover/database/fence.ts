/**
 * The fence: nothing runs on the site's data any more and no start succeeds, each shown and not assumed. Mask, stop,
 * prove, pin, prove the pin. A client's failing write is no proof and is not used as one.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import type { Command } from '../../process/command.ts'
import { type ControlData, isPinned, readControlData } from './control-data.ts'
import { raiseEpoch, underEpoch } from './epoch.ts'
import { pin } from './pin.ts'
import { removeIntents } from './promote.ts'
import { attachedTo, readPidFile, removeSegment, type Segment } from './shared-memory.ts'
import { environmentOf, pidsOf, type Site } from './site.ts'
import { killAll, type Stopped, stopSite } from './stop.ts'
import { knock, openWitnesses, type Witnesses } from './witnesses.ts'

export interface FenceOptions {
  epoch: number
  /** Planned: only a clean stop will do. Unplanned: what does not stop is killed. */
  mode: 'planned' | 'unplanned'
  /** How long a clean stop may take. */
  timeoutMs: number
  /** On an operator's word only: prepared transactions are rolled back before the stop. */
  rollbackPrepared?: boolean
  onStep?(name: string): void
}

export interface FenceStep {
  name: string
  seconds: number
  detail: string
}

export interface FenceReport {
  proved: true
  site: string
  epoch: number
  mode: 'planned' | 'unplanned'
  steps: FenceStep[]
  /** Processes that had to be killed. */
  killed: number[]
  cleanShutdown: boolean
  controlState: string
  /** Where the latest checkpoint record begins; after a clean stop a standby must have replayed past it. */
  lsn: string
  timeline: number
  systemId: string
  /** Undefined where the site answered nobody before the stop. */
  preparedTransactions: string[] | undefined
  pinned: true
  /** What the supervisor's own start said. */
  startRefused: { exitCode: number; message: string }
}

/** Every exit code: what the start says is judged here. */
const ANY_CODE = Array.from({ length: 256 }, (_, code) => code)

/**
 * Fences the site or throws: FENCE_UNPROVEN (an operator decides), EPOCH_STALE (a newer run owns the pair). May be called
 * again on a fenced or half-fenced site: it proves everything again.
 */
export async function fence(site: Site, options: FenceOptions): Promise<FenceReport> {
  const { epoch, mode } = options
  const steps: FenceStep[] = []
  const step = async <T>(name: string, work: () => Promise<T>, say: (result: T) => string): Promise<T> => {
    options.onStep?.(name)
    const begun = performance.now()
    const result = await work()
    steps.push({ name, seconds: Math.round(performance.now() - begun) / 1000, detail: say(result) })
    return result
  }
  await step(
    'epoch',
    () => raiseEpoch(site, epoch),
    ({ killed }) => `${epoch}${killed.length > 0 ? `, killed holders ${killed.join(', ')}` : ''}`,
  )
  await step(
    'mask',
    () => supervise(site, epoch, 'mask'),
    () => 'the supervisor may not start it',
  )
  const segment = (await readPidFile(site))?.segment
  const witnesses = await step(
    'witness',
    () => openWitnesses(site),
    (found) => `session ${found.session}, socket ${found.socket}`,
  )
  try {
    if (options.rollbackPrepared)
      await step(
        'rollback',
        () => rollbackPrepared(site, epoch, witnesses.prepared ?? []),
        (count) => `${count} prepared transactions rolled back`,
      )
    const stopped = await step(
      'stop',
      () => stopSite(site, options),
      ({ how, clean, killed }) => `${how}${clean ? ', clean' : ''}${killed.length > 0 ? `, killed ${killed.join(', ')}` : ''}`,
    )
    await step(
      'prove',
      () => prove(site, witnesses, segment),
      (found) => found.join('; '),
    )
    await step(
      'pin',
      () => pinAndLookAgain(site, options, stopped),
      () => 'the control file is moved aside',
    )
    const startRefused = await step(
      'refuse',
      () => proveRefusal(site, epoch),
      ({ exitCode, message }) => `start exits ${exitCode}: ${message}`,
    )
    // A promotion of long ago is settled: whoever takes this back must not take it for one that may still happen.
    await removeIntents(site, epoch)
    const control = await readControlData(site)
    if (mode === 'planned' && !(stopped.clean && control.state === 'shut down')) throw unclean(site, control)
    return {
      proved: true,
      site: site.name,
      epoch,
      mode,
      steps,
      killed: stopped.killed,
      cleanShutdown: stopped.clean,
      controlState: control.state,
      lsn: control.checkpointLsn,
      timeline: control.timeline,
      systemId: control.systemId,
      preparedTransactions: witnesses.prepared,
      pinned: true,
      startRefused,
    }
  } finally {
    witnesses.close()
  }
}

/** A command of the site's supervisor, under the epoch. */
export async function supervise(site: Site, epoch: number, verb: 'start' | 'stop' | 'mask' | 'unmask', accept = [0]) {
  const [program, ...args] = site.supervisor[verb] as [string, ...string[]]
  const command: Command = { program, args }
  return underEpoch(site, epoch, command, { accept, timeoutMs: 180_000, leavesServer: verb === 'start' })
}

async function rollbackPrepared(site: Site, epoch: number, gids: string[]): Promise<number> {
  for (const gid of gids) {
    const sql = `rollback prepared '${gid.replaceAll("'", "''")}'`
    await underEpoch(
      site,
      epoch,
      { program: join(site.binDir, 'psql'), args: ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-c', sql], env: environmentOf(site) },
      { timeoutMs: 30_000 },
    )
  }
  return gids.length
}

/** Throws FENCE_UNPROVEN unless nothing of the server lives; then removes what a killed server left behind. */
async function prove(site: Site, witnesses: Witnesses, segment: Segment | undefined): Promise<string[]> {
  const pids = await pidsOf(site)
  if (pids.length > 0) throw unproven(site, `processes ${pids.join(', ')} work in ${site.dataDir}`)
  const attached = segment ? await attachedTo(segment) : 0
  if (attached > 0) throw unproven(site, `${attached} are attached to its shared memory ${segment?.id}`)
  const answer = await knock(site)
  if (answer !== 'refused') throw unproven(site, `${site.address}:${site.port} answers "${answer}" instead of refusing`)
  const survivors = await witnesses.survivors(5_000)
  if (survivors.length > 0) throw unproven(site, `${survivors.join(' and ')} did not end`)
  // A pid that nobody collects looks alive to pg_ctl and to postgres: only now is the file known to be stale.
  await rm(join(site.dataDir, 'postmaster.pid'), { force: true })
  if (segment) await removeSegment(segment)
  return ['no process', segment ? 'shared memory free' : 'no shared memory known', 'port refuses', 'connections opened before are dead']
}

/**
 * A server starts by entering its data directory and reads the control file after that: whoever read it before the pin
 * is seen by a look after the pin, even if a supervisor had begun a start just before the mask.
 */
async function pinAndLookAgain(site: Site, { epoch, mode }: FenceOptions, stopped: Stopped): Promise<void> {
  await pin(site, epoch)
  const late = await pidsOf(site)
  if (late.length === 0) return
  stopped.killed.push(...(await killAll(site, epoch)))
  stopped.clean = false
  if (mode === 'planned') throw unproven(site, `processes ${late.join(', ')} were started after the stop`)
}

/**
 * Lets the supervisor start it without the mask, so that it is the pin that refuses, and masks it again. A worker that
 * dies in between leaves it unmasked and pinned, which no start survives; the next call masks it.
 */
async function proveRefusal(site: Site, epoch: number): Promise<{ exitCode: number; message: string }> {
  await supervise(site, epoch, 'unmask')
  const { exitCode, stdout, stderr } = await supervise(site, epoch, 'start', ANY_CODE).finally(() => supervise(site, epoch, 'mask'))
  const message = (stderr.trim() || stdout.trim()).split('\n').slice(-4).join(' ')
  const pids = await pidsOf(site)
  const answer = await knock(site)
  if (exitCode === 0 || pids.length > 0 || answer !== 'refused') {
    await killAll(site, epoch)
    throw unproven(
      site,
      `its supervisor's start exited ${exitCode} although it is pinned (processes: ${pids.join(', ') || 'none'}; port: ${answer})`,
    )
  }
  if (!(await isPinned(site))) throw unproven(site, 'somebody moved its control file back')
  return { exitCode, message }
}

function unproven(site: Site, why: string): HoldfastError {
  return new HoldfastError('FENCE_UNPROVEN', `site ${site.name} is not shown to be fenced: ${why}`, {
    object: site.dataDir,
    next: 'look at what is named, then retry the step; or fence the host by hand and attest it',
  })
}

function unclean(site: Site, control: ControlData): HoldfastError {
  return new HoldfastError(
    'FENCE_UNPROVEN',
    `site ${site.name} is fenced, but was not stopped cleanly (its control file says "${control.state}")`,
    {
      object: site.dataDir,
      details: { fenced: true, controlState: control.state, lsn: control.checkpointLsn },
      next: 'abort, or go on with mode unplanned, which accepts a loss',
    },
  )
}
