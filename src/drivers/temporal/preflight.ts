/** Whether an export can succeed, before it is begun. Changes nothing. */
import { messageOf } from '../../core/errors.ts'
import { run } from '../../process/run.ts'
import type { DriverContext, Preflight } from '../driver.ts'
import type { TemporalSourceConfig } from './config.ts'
import { type Place, withTemporal } from '../../temporal/namespace-session.ts'
import { readAttributes, readNamespace } from './namespace.ts'

type Finding = Preflight['findings'][number]

/** What a history takes on average, compressed by nobody; runs are not measured before they are read. */
const HISTORY_BYTES = 5000

export async function preflight(config: TemporalSourceConfig, place: Place, context: DriverContext): Promise<Preflight> {
  context.onProgress({ phase: 'preflight' })
  return withTemporal(place, context.signal, async (session) => {
    const { namespace } = session
    const cluster = await session.ask(({ workflowService }) => workflowService.getClusterInfo({}))
    await readNamespace(session)
    await readAttributes(session)
    const { count } = await session.ask(({ workflowService }) => workflowService.countWorkflowExecutions({ namespace }))
    return {
      versions: { temporal: cluster.serverVersion ?? '' },
      estimateBytes: (1 + Number(count)) * HISTORY_BYTES,
      findings: [
        { name: 'runs', ok: true, required: false, detail: `${count} runs in ${namespace}` },
        ...(config.scratch ? [] : [await programFinding(config, context.signal)]),
      ],
    }
  })
}

/** An export needs no server of its own; its proof does. */
async function programFinding({ programs: { temporal } }: TemporalSourceConfig, signal: AbortSignal): Promise<Finding> {
  const next = 'put the Temporal CLI on the worker, name it in programs.temporal of the source, or give the source a scratch cluster'
  const finding = (ok: boolean, detail: string): Finding => ({ name: 'scratch server', ok, required: false, detail, next })
  try {
    const { stdout } = await run({ program: temporal, args: ['--version'] }, { signal, timeoutMs: 30_000 })
    return finding(true, stdout.trim())
  } catch (error) {
    if (signal.aborted) throw error
    return finding(false, `no proof can be made here: ${messageOf(error)}`)
  }
}
