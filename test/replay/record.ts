/**
 * Plays every scenario against a real server and keeps its history as `temporal workflow show -o json` prints it:
 * node test/replay/record.ts [name …]. A history of a released version is kept as it is for as long as such runs may
 * live; until then a change of a workflow is followed by recording anew.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '../../scripts/toolbox/find.ts'
import { run } from '../../src/process/run.ts'
import { until } from '../../src/process/wait.ts'
import { openStage, type Stage } from '../support/workflows/stage.ts'
import { type Scenario, scenarios } from './scenarios.ts'

const ROOT = join(import.meta.dirname, '..', '..')
export const HISTORIES = join(import.meta.dirname, 'histories')

/** The history of the scenario's run, once it has ended. */
export async function record(stage: Stage, scenario: Scenario): Promise<string> {
  const { client } = stage
  return stage.play(scenario.fakes, async () => {
    const started = await client.workflow.start(scenario.type, { taskQueue: 'holdfast', workflowId: scenario.name, args: [scenario.input] })
    await scenario.meanwhile?.(started, client)
    // How it ends is part of the history, whichever way.
    await started.result().catch(() => undefined)
    const workflowId = scenario.record ?? started.workflowId
    const handle = client.workflow.getHandle(workflowId)
    const ended = await until(
      async () => {
        const { status } = await handle.describe()
        return status.name !== 'RUNNING' && status.name
      },
      { timeoutMs: 120_000, what: `the end of ${workflowId}` },
    )
    const wanted = scenario.ends ?? 'COMPLETED'
    if (ended !== wanted) throw new Error(`${scenario.name} ended as ${ended}, not as ${wanted}`)
    return show(stage, workflowId)
  })
}

async function show(stage: Stage, workflowId: string): Promise<string> {
  const args = ['workflow', 'show', '--address', stage.server.address, '--workflow-id', workflowId, '--output', 'json']
  const { stdout } = await run({ program: findProgram('temporal'), args }, { maxOutputBytes: 64 * 1024 * 1024 })
  return withoutMachine(stdout)
}

/** Where it was recorded is nobody's business: no host, no process, no path. */
function withoutMachine(history: string): string {
  return history
    .replaceAll(new RegExp(`\\d+@${hostname()}`, 'g'), '1@worker')
    .replaceAll(hostname(), 'worker')
    .replaceAll(`file://${ROOT}/`, '')
    .replaceAll(`${ROOT}/`, '')
}

if (import.meta.main) {
  const wanted = process.argv.slice(2)
  await mkdir(HISTORIES, { recursive: true })
  const stage = await openStage()
  try {
    for (const scenario of scenarios()) {
      if (wanted.length > 0 && !wanted.includes(scenario.name)) continue
      const history = await record(stage, scenario)
      await writeFile(join(HISTORIES, `${scenario.name}.json`), history)
      process.stdout.write(`${scenario.name}: ${JSON.parse(history).events.length} events\n`)
    }
  } finally {
    await stage.close()
  }
}
