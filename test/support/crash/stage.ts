/**
 * What every crash run stands on: the quickstart's own servers, and lanes that do not see each other. A lane has a
 * namespace of Temporal, a configuration and a temporary folder of its own, so that rounds of two lanes may overlap.
 */
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client, WorkflowHandle } from '@temporalio/client'
import { parse, stringify } from 'yaml'
import { createCleanup, type Stack, startStack } from '../../../scripts/quickstart/stack.ts'
import { reachableFolder } from '../../../scripts/toolbox/postgres.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { Config } from '../../../src/config/schema.ts'
import { until } from '../../../src/process/wait.ts'
import { connectClient } from '../../../src/temporal/connection.ts'
import { registerSearchAttributes } from '../../../src/temporal/search-attributes.ts'
import { openServices } from '../../../workers/services.ts'
import { workflowCode } from '../workflows/bundle.ts'
import { type CrashResult, runWithCrash } from './harness.ts'
import { attend } from './operator.ts'
import type { CrashTime } from './plan.ts'
import { markedProcesses } from './world/processes.ts'

export interface CrashStage {
  stack: Stack
  /** `change` makes the lane's configuration of the quickstart's. */
  openLane(name: string, change: (settings: Settings) => void, env?: Record<string, string>): Promise<Lane>
  /** Ended before the servers. */
  onClose(what: () => Promise<void>): void
  close(): Promise<void>
}

// biome-ignore lint/suspicious/noExplicitAny: a document that is checked when it is read again
export type Settings = Record<string, any>

export interface Lane {
  name: string
  config: Config
  client: Client
  services: ReturnType<typeof openServices>
  /** Where this lane's scratch instances are made. */
  scratchDir: string
  /** Another configuration for the workers of the next rounds; what this process knows of it stays. */
  reconfigure(change: (settings: Settings) => void): Promise<void>
  crash(round: Round): Promise<Crashed>
  /** The same without a crash: what every other run is compared with, and whose activities are to be hit. */
  calm(start: Start): Promise<Crashed>
}

export type Start = () => Promise<WorkflowHandle>
export interface Round {
  activity: string
  when: CrashTime
  start: Start
}

export interface Crashed {
  handle: WorkflowHandle
  outcome: CrashResult['outcome']
  late?: CrashResult['late']
  /** Why the run waited for an operator, who then aborted it or had the step tried again. */
  parked: string[]
  /** Processes, temporary files and open runs that are left once all workers have ended. */
  left: string[]
}

const WORKER = fileURLToPath(new URL('../../../workers/holdfast.ts', import.meta.url))
const ROLES = 'control,data,host:east,host:west,host:here'

export async function openCrashStage(say: (line: string) => void = () => {}, signal = new AbortController().signal): Promise<CrashStage> {
  const cleanup = createCleanup()
  try {
    // Not inside of the stack's folder: the path of a socket has 107 bytes.
    const scratch = await reachableFolder('hfc-')
    cleanup.add(() => rm(scratch, { recursive: true, force: true }))
    const stack = await startStack(say, cleanup, signal)
    const bundle = join(stack.dir, 'workflows.js')
    say('bundling the workflows')
    await writeFile(bundle, await workflowCode())
    return {
      stack,
      openLane: (name, change, env = {}) => openLane({ stack, scratch, bundle, cleanup, signal, name, change, env }),
      onClose: cleanup.add,
      close: cleanup.end,
    }
  } catch (error) {
    await cleanup.end()
    throw error
  }
}

interface LaneOptions {
  stack: Stack
  scratch: string
  bundle: string
  cleanup: ReturnType<typeof createCleanup>
  signal: AbortSignal
  name: string
  change(settings: Settings): void
  /** Secrets that this lane's sources refer to. */
  env: Record<string, string>
}

async function openLane({ stack, scratch, bundle, cleanup, signal, name, change, env }: LaneOptions): Promise<Lane> {
  const dir = join(stack.dir, `lane-${name}`)
  const [tmp, scratchDir] = [join(dir, 'tmp'), join(scratch, name)]
  for (const folder of [dir, tmp, scratchDir]) {
    await mkdir(folder)
    await chmod(folder, folder === tmp ? 0o1777 : 0o755)
  }
  const client = await openNamespace(stack, name)
  cleanup.add(() => client.connection.close())
  const settings = parse(await readFile(stack.configFile, 'utf8')) as Settings
  settings['temporal'].namespace = name
  change(settings)
  for (const source of Object.values(settings['sources'] as Record<string, Settings>)) source['scratchDir'] = scratchDir
  const configFile = join(dir, 'holdfast.yaml')
  const reconfigure = async (by: (settings: Settings) => void) => {
    by(settings)
    await writeFile(configFile, stringify(settings))
  }
  await reconfigure(() => {})
  const config = await loadConfig(configFile)
  const services = openServices(config)
  cleanup.add(() => services.close())
  const worker = {
    workerEntry: WORKER,
    workerArgs: ['worker', '--config', configFile, '--roles', ROLES],
    env: { ...env, HOLDFAST_WORKFLOW_BUNDLE: bundle, TMPDIR: tmp },
  }
  const crash = async ({ activity, when, start }: Round): Promise<Crashed> => {
    const parked: string[] = []
    const ran = await runWithCrash({
      ...worker,
      activity,
      when,
      signal,
      timeoutMs: 420_000,
      startWorkflow: start,
      alongside: (run) => attend(run, parked),
      beforeStop: () => awaitQuiet(client),
    }).catch(async (error: unknown) => {
      await endAll(client)
      throw error
    })
    const { mark, outcome, handle, late } = ran
    const files = (await readdir(tmp)).map((entry) => `file ${entry} in the temporary folder`)
    return { handle, outcome, late, parked, left: [...(await openRuns(client)), ...files, ...(await markedProcesses(mark, scratchDir))] }
  }
  return {
    name,
    config,
    client,
    services,
    scratchDir,
    reconfigure,
    crash,
    calm: (start) => crash({ activity: 'none', when: 'never', start }),
  }
}

async function openNamespace({ temporal }: Stack, namespace: string): Promise<Client> {
  const client = await connectClient({ address: temporal.address, namespace })
  await client.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: { seconds: 86_400 } as never })
  await until(
    () =>
      registerSearchAttributes(client).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 60_000, everyMs: 200, what: `the namespace ${namespace}` },
  )
  return client
}

/** Locks end by themselves once their holder has let go: as long as a worker is there to run them. */
async function awaitQuiet(client: Client): Promise<void> {
  await until(async () => (await openRuns(client)).length === 0, { timeoutMs: 30_000, everyMs: 300, what: 'all runs to end' }).catch(
    () => {},
  )
}

/** After a round that went wrong: the next one finds no run and no lock of it. */
async function endAll(client: Client): Promise<void> {
  for await (const { workflowId } of client.workflow.list({ query: 'ExecutionStatus = "Running"' })) {
    await client.workflow
      .getHandle(workflowId)
      .terminate('its crash round failed')
      .catch(() => {})
  }
}

async function openRuns(client: Client): Promise<string[]> {
  const open: string[] = []
  for await (const { type, workflowId } of client.workflow.list({ query: 'ExecutionStatus = "Running"' }))
    open.push(`open run ${type} ${workflowId}`)
  return open
}
