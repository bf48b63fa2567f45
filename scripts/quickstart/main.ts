/** `npm run quickstart`: watch a real database survive a mistake and a crash. */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/core/errors.ts'
import { causesOf } from '../causes.ts'
import { ensureToolbox } from '../toolbox/ensure.ts'
import { PAIR } from '../toolbox/programs.ts'
import { logTail, reachableFolder } from '../toolbox/postgres.ts'
import { leftovers, serversOf } from './leftovers.ts'
import { emptyReport, shortcomings, table } from './report.ts'
import type { Session } from './session.ts'
import { createCleanup, startStack } from './stack.ts'
import { apply, backupSources, load, mistake, prove } from './steps-backup.ts'
import { failBack } from './steps-failback.ts'
import { crashAndFailOver } from './steps-failover.ts'
import { everySource } from './steps-sources.ts'
import { SAMPLES } from '../sources/samples.ts'

const USAGE = 'npm run quickstart [-- --all] [--keep] [--until N] [--scale N] [--json FILE]'
const started = Date.now()
const say = (line: string) => void process.stdout.write(`${((Date.now() - started) / 1000).toFixed(0).padStart(4)} s  ${line}\n`)

const STEPS: { name: string; act: (session: Session) => Promise<string> }[] = [
  { name: 'load', act: load },
  { name: 'apply', act: apply },
  { name: 'backup', act: backupSources },
  { name: 'verifyRestore', act: prove },
  { name: 'pointInTimeRecovery', act: mistake },
  { name: 'failover', act: crashAndFailOver },
  { name: 'failback', act: failBack },
]

// Explicitly: a client that is cut off in the middle of a retry would keep the process for a while, or end it with a throw.
process.exit(await main())

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      all: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      until: { type: 'string', default: '99' },
      scale: { type: 'string', default: '20' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const last = Number(values.until)
  const scale = Number(values.scale)
  if (values.help || !Number.isInteger(last) || last < 1 || !Number.isInteger(scale) || scale < 1) {
    process.stdout.write(`${USAGE}\n`)
    return values.help ? 0 : 2
  }
  const abort = new AbortController()
  const cleanup = createCleanup()
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        abort.abort(new Error(`stopped by ${signal}`))
        reject(abort.signal.reason)
      })
    }
  })
  interrupted.catch(() => {})
  const report = emptyReport()
  const dir = await reachableFolder('holdfast-quickstart-')
  let starting: Promise<unknown> = Promise.resolve()
  const whole = runSteps({
    report,
    cleanup,
    signal: abort.signal,
    dir,
    last,
    scale,
    all: values.all,
    onStart: (start) => {
      starting = start
    },
  })
  whole.catch(() => {})
  try {
    await Promise.race([whole, interrupted])
    if (values.keep && !abort.signal.aborted) {
      say('everything stays up: look around, then Ctrl-C')
      await interrupted.catch(() => {})
    }
  } catch (error) {
    say(messageOf(error))
    if (report.steps.every((step) => step.ok)) report.steps.push({ name: 'run', ok: false, seconds: 0, detail: messageOf(error) })
  }
  say('stopping')
  // A part that was being started when the stop came is awaited first: nothing may come up behind the cleanup.
  await Promise.allSettled([starting])
  const servers = await serversOf(dir)
  await cleanup.end()
  const left = await leftovers(dir, servers)
  report.steps.push({ name: 'clean', ok: left.length === 0, seconds: 0, detail: left.length === 0 ? 'nothing is left' : left.join('; ') })
  const wrong = shortcomings(report)
  report.ok = wrong.length === 0
  process.stdout.write(`\n${table(report.steps)}\n\n${report.ok ? 'All of it is true.' : `Not true:\n- ${wrong.join('\n- ')}`}\n`)
  if (values.json) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`)
  return abort.signal.aborted && !values.keep ? 130 : report.ok ? 0 : 1
}

interface Run {
  report: Session['report']
  cleanup: ReturnType<typeof createCleanup>
  signal: AbortSignal
  dir: string
  last: number
  scale: number
  /** Every installable kind of source, beside the pair. */
  all: boolean
  onStart(start: Promise<unknown>): void
}

async function runSteps({ report, cleanup, signal, dir, last, scale, all, onStart }: Run): Promise<void> {
  const timed = async (name: string, act: () => Promise<string>): Promise<void> => {
    signal.throwIfAborted()
    const from = Date.now()
    const row = { name, ok: false, seconds: 0, detail: '' }
    try {
      row.detail = await act()
      row.ok = true
    } catch (error) {
      row.detail = causesOf(error)
      throw error
    } finally {
      row.seconds = (Date.now() - from) / 1000
      report.steps.push(row)
      say(`${row.ok ? '✔' : '✘'} ${name}: ${row.detail}`)
    }
  }
  let session: Session | undefined
  const start = timed('start', async () => {
    await ensureToolbox({ ...(!all && { only: PAIR }), progress: say, signal })
    const stack = await startStack(say, cleanup, signal, { dir, samples: all ? Object.entries(SAMPLES) : [] })
    session = {
      stack,
      report,
      say,
      signal,
      scale,
      writerLog: `${stack.dir}/writer.log`,
      primary: stack.pair.primary,
      standby: stack.pair.standby,
    }
    return `UI ${stack.temporal.uiUrl}, config ${stack.configFile}`
  })
  onStart(start)
  await start
  const steps = all ? [...STEPS, { name: 'sources', act: everySource }] : STEPS
  for (const [index, step] of steps.entries()) {
    if (!session || index + 2 > last) return
    const now = session
    const lost = now.stack.workerEnded.then(async (code) => {
      throw new Error(`the worker ended with ${code}: ${await logTail(`${now.stack.dir}/worker.log`)}`)
    })
    lost.catch(() => {})
    await timed(step.name, () => Promise.race([step.act(now), lost]))
  }
}
