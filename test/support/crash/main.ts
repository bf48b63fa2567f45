/**
 * `npm run crash`: every activity of every workflow × killed before its effect, killed after it, frozen and thawed. The
 * lanes go side by side. The last line is `N passed, N failed`.
 */
import { parseArgs } from 'node:util'
import { messageOf } from '../../../src/core/errors.ts'
import { openScenarios, SCENARIOS } from './catalogue.ts'
import { activitiesOf } from './history.ts'
import { CRASH_TIMES, type CrashTime } from './plan.ts'
import { playCalm, play, type Scenario } from './scenario.ts'
import { type CrashStage, openCrashStage } from './stage.ts'
import { type Row, table } from './table.ts'

const USAGE = `npm run crash [-- --only backup,"restore live"] [--lane books,redis] [--when before,after,freeze] [--activity dump,publish]
lanes: ${[...new Set(SCENARIOS.map(([lane]) => lane))].join(', ')}
scenarios: ${SCENARIOS.map(([, name]) => name).join(', ')}
times: ${CRASH_TIMES.filter((time) => time !== 'never').join(', ')}; before, after and freeze where none is named
`
const started = performance.now()
const say = (line: string): void =>
  void process.stdout.write(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${line}\n`)

interface Choice {
  only: string[]
  lane: string[]
  when: CrashTime[]
  activity: string[]
}
type Play = Choice & { signal: AbortSignal }

async function main(): Promise<number> {
  const choice = chosen()
  if (!choice) {
    process.stdout.write(USAGE)
    return 2
  }
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort(new Error(`stopped by ${signal}`)))
  const stage = await openCrashStage(say, stop.signal)
  const rows: Row[] = []
  try {
    const lanes = [...new Set(SCENARIOS.filter((one) => wanted(choice, one)).map(([lane]) => lane))]
    // All of them, whatever fails: nothing is closed under a round that still runs.
    const ended = await Promise.allSettled(lanes.map((lane) => playLane(stage, lane, { ...choice, signal: stop.signal }, rows)))
    for (const lane of ended) if (lane.status === 'rejected') say(messageOf(lane.reason))
    if (ended.some(({ status }) => status === 'rejected'))
      rows.push({ scenario: 'crash', activity: 'lanes', when: 'calm', seconds: 0, problems: ['ended early'] })
  } finally {
    await stage.close()
  }
  const failed = rows.filter(({ problems }) => problems.length > 0).length
  process.stdout.write(`\n${table(rows)}\n\n${rows.length - failed} passed, ${failed} failed\n`)
  return failed === 0 && rows.length > 0 ? 0 : 1
}

function chosen(): Choice | undefined {
  const list = { type: 'string', default: '' } as const
  const { values } = parseArgs({
    options: {
      only: list,
      lane: list,
      when: { type: 'string', default: 'before,after,freeze' },
      activity: list,
      help: { type: 'boolean' },
    },
  })
  const words = (text: string) =>
    text
      .split(',')
      .map((word) => word.trim())
      .filter(Boolean)
  const choice = {
    only: words(values.only),
    lane: words(values.lane),
    when: words(values.when) as CrashTime[],
    activity: words(values.activity),
  }
  const known = [
    ...choice.when.map((time) => CRASH_TIMES.includes(time)),
    ...choice.only.map((word) => SCENARIOS.some(([, name]) => fits(word, name))),
    ...choice.lane.map((word) => SCENARIOS.some(([lane]) => lane === word)),
  ]
  return known.every(Boolean) && !values.help ? choice : undefined
}

/** `backup` stands for `backup physical` too. */
const fits = (word: string, name: string): boolean => name === word || name.startsWith(`${word} `)
const wanted = ({ only, lane: lanes }: Pick<Choice, 'only' | 'lane'>, [lane, name]: readonly [lane: string, name: string]): boolean =>
  (only.length === 0 || only.some((word) => fits(word, name))) && (lanes.length === 0 || lanes.includes(lane))

async function playLane(stage: CrashStage, lane: string, choice: Play, rows: Row[]): Promise<void> {
  const queues: Round[][] = []
  for (const scenario of await openScenarios(stage, lane)) {
    choice.signal.throwIfAborted()
    if (wanted(choice, [lane, scenario.name])) queues.push(await roundsOf(scenario, choice, rows))
  }
  for (const { scenario, activity, when } of inTurn(queues)) {
    choice.signal.throwIfAborted()
    await timed(rows, { scenario: scenario.name, activity, when }, () => play(scenario, activity, when))
  }
}

interface Round {
  scenario: Scenario
  activity: string
  when: CrashTime
}

/** An undisturbed run first: it has to leave a right state too, and its history tells what can be hit. */
async function roundsOf(scenario: Scenario, { when, activity }: Choice, rows: Row[]): Promise<Round[]> {
  let names: string[] = []
  await timed(rows, { scenario: scenario.name, activity: '', when: 'calm' }, async () => {
    const { handle, problems } = await playCalm(scenario)
    names = activitiesOf(await handle.fetchHistory()).map(({ name }) => name)
    return problems
  })
  const hit = names.filter((name) => activity.length === 0 || activity.some((word) => name === word || name.startsWith(`${word}#`)))
  return when.flatMap((time) => hit.map((name) => ({ scenario, activity: name, when: time })))
}

/** The two last alternate, as a failover is what a failback begins with; the others follow each other. */
function inTurn(queues: Round[][]): Round[] {
  const names = queues.map(([first]) => first?.scenario.name)
  const [there, back] = [names.indexOf('failover'), names.indexOf('failback')]
  if (there < 0 || back < 0) return queues.flat()
  const [a = [], b = []] = [queues[there], queues[back]]
  const zipped = Array.from({ length: Math.max(a.length, b.length) }, (_, at) => [a[at], b[at]]).flat()
  const others = queues.filter((_, at) => at !== there && at !== back).flat()
  return [...others, ...zipped.filter((round) => round !== undefined)]
}

async function timed(rows: Row[], round: Pick<Row, 'scenario' | 'activity' | 'when'>, act: () => Promise<string[]>): Promise<void> {
  const from = performance.now()
  const problems = await act().catch((error: unknown) => [messageOf(error)])
  const seconds = (performance.now() - from) / 1000
  rows.push({ ...round, seconds, problems })
  say(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${round.scenario}: ${round.activity} ${round.when} (${seconds.toFixed(0)} s)`)
  for (const problem of problems) say(`       ${problem}`)
}

process.exitCode = await main()
