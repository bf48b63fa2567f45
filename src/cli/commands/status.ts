/** status: what can be restored now, how old it is, who is at work; with --repo-only from the repository alone. */
import type { Client } from '@temporalio/client'
import type { Command } from 'commander'
import type { Problem } from '../../catalog/generations.ts'
import { EXIT, HoldfastError } from '../../core/errors.ts'
import type { Windows } from '../../core/planning.ts'
import { fillOf, type RepositoryFill } from '../../core/repository-fill.ts'
import { type CommandContext, withClient, withServices } from '../context.ts'
import { failureOf, type Failure } from '../failure.ts'
import { type KeyCheckSeen, keyCheckLines, lastKeyCheck } from '../key-check.ts'
import type { Action } from '../program.ts'
import { type CopiesStatus, copiesLines } from '../places.ts'
import { runStatus } from '../run-status.ts'
import { fillLine, type SourceStatus, statusLines, statusOf, windowLines } from '../source-status.ts'
import { problemLines, surveyAll } from './points.ts'

interface Options {
  run?: string
  repoOnly: boolean
  window: boolean
}
interface Running {
  workflowId: string
  type: string
  since: string
}
interface Status {
  sources: SourceStatus[]
  /** By source, where it has any. */
  copies: Record<string, CopiesStatus[]>
  /** Of those that have a limit. */
  repositories: RepositoryFill[]
  /** Records that cannot be trusted. */
  problems: Problem[]
  running: Running[]
  /** Absent where nobody has looked, or nothing is known of runs. */
  keys?: KeyCheckSeen
  /** Why nothing is known of runs. */
  temporal?: Failure
}

export function addStatusCommands(program: Command, action: Action): void {
  program
    .command('status')
    .description('what can be restored now, and who is at work')
    .option('--run <id>', 'one run: its phase, steps, and what awaits an operator')
    .option('--repo-only', 'from the repository alone, with Temporal down', false)
    .option('--window', 'the recoverable window of physical sources, with its gaps', false)
    .action(
      action(async (context, o: Options) => {
        if (o.run !== undefined) return runStatus(context, o.run)
        const status = await gather(context, o)
        context.output.result(status, linesOf(status, o))
        return exitCodeOf(status)
      }),
    )
}

/** Temporal out of reach is part of the answer: what the repository says is what matters then. */
async function gather(context: CommandContext, { repoOnly, window }: Options): Promise<Status> {
  const { points, problems, copies } = await surveyAll(context)
  const { sources, repositories } = await withServices(context, async (services, config) => {
    const found: SourceStatus[] = []
    const fills: RepositoryFill[] = []
    for (const [name, { limit }] of Object.entries(config.repositories))
      if (limit) fills.push(fillOf(name, limit, await (await services.catalog(name)).listPoints()))
    for (const [name, { freshness }] of Object.entries(config.sources)) {
      const status = statusOf(name, points, freshness)
      if (window) Object.assign(status, await windowOf(() => services.repositoryDriver(name)))
      found.push(status)
    }
    return { sources: found, repositories: fills }
  })
  const known = { sources, copies, repositories, problems }
  if (repoOnly) return { ...known, running: [] }
  try {
    return await withClient(context, async (client) => {
      const keys = await lastKeyCheck(client)
      return { ...known, running: await runsUnderWay(client), ...(keys && { keys }) }
    })
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'TEMPORAL_UNREACHABLE') throw error
    return { ...known, running: [], temporal: failureOf(error) }
  }
}

async function windowOf(driver: () => Promise<{ window?(): Promise<unknown> }>): Promise<Pick<SourceStatus, 'window' | 'windowProblem'>> {
  try {
    const found = (await (await driver()).window?.()) as Windows | undefined
    return found ? { window: found } : {}
  } catch (error) {
    const { code, message } = failureOf(error)
    return { windowProblem: `${code}: ${message}` }
  }
}

async function runsUnderWay(client: Client): Promise<Running[]> {
  const found: Running[] = []
  for await (const { type, workflowId, startTime } of client.workflow.list({ query: "ExecutionStatus = 'Running'" })) {
    if (type !== 'resourceLock') found.push({ workflowId, type, since: startTime.toISOString() })
  }
  return found
}

function linesOf({ sources, copies, repositories, problems, running, keys, temporal }: Status, { window }: Options): string[] {
  const windows = sources.flatMap(windowLines)
  return [
    ...statusLines(sources),
    ...copiesLines(copies),
    ...repositories.map(fillLine),
    ...(window && windows.length === 0 ? ['no window: none of the sources archives its WAL'] : windows),
    ...problemLines(problems),
    ...(keys ? keyCheckLines(keys) : []),
    ...running.map(({ type, workflowId, since }) => `running ${type} ${workflowId} since ${since}`),
    ...(temporal
      ? [`${temporal.code}: ${temporal.message}`, 'what runs is not known; without this line: holdfast status --repo-only']
      : []),
  ]
}

function exitCodeOf({ sources, copies, repositories, problems, keys, temporal }: Status): number {
  if (temporal) return temporal.exitCode
  const lacking = sources.some(
    ({ fresh, newestGood, failed, windowProblem }) => fresh === false || !newestGood || failed !== undefined || windowProblem !== undefined,
  )
  const crowded = repositories.some(({ state }) => state !== 'ok')
  const uncopied = Object.values(copies).some((each) => each.some(({ newest, failed }) => !newest || failed !== undefined))
  return lacking || uncopied || crowded || keys?.ok === false || problems.length > 0 ? EXIT.degraded : EXIT.ok
}
